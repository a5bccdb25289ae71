"""Atomic writing leaves either the old file or the complete new one, and never a temporary file."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from runoff.files import atomic_file
from runoff.files.atomic_file import write_atomically


@pytest.fixture
def python_interrupt_handler() -> Iterator[None]:
    """Restore Python's default SIGINT handler, because a process started by a background shell ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def write_and_interrupt(path: Path, line_count: int, *, replace: bool) -> bool:
    """Write a file, and raise SIGINT before the `line_count`-th executed line. Return whether there was such a line."""
    lines_left = line_count

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines_left
        if frame.f_code.co_filename != atomic_file.__file__:
            return None
        if event == "line":
            lines_left -= 1
            if lines_left == 0:
                signal.raise_signal(signal.SIGINT)
        return trace

    earlier = sys.gettrace()
    sys.settrace(trace)
    try:
        write_atomically(path, b"new", replace=replace)
    except KeyboardInterrupt:
        assert lines_left <= 0
        return True
    finally:
        sys.settrace(earlier)
    return False


@pytest.mark.usefixtures("python_interrupt_handler")
@pytest.mark.parametrize("replace", [True, False])
def test_interrupt_at_any_line_leaves_no_temporary_file(tmp_path: Path, replace: bool) -> None:
    """Ctrl-C during `runoff convert` must not litter the user's folder with `.tmp` files."""
    line_count = 1
    while write_and_interrupt(tmp_path / f"{line_count}.onnx", line_count, replace=replace):
        line_count += 1
    assert 8 < line_count
    assert {b"new"} == {path.read_bytes() for path in tmp_path.iterdir()}
    assert {".onnx"} == {path.suffix for path in tmp_path.iterdir()}


def test_name_of_the_greatest_length_is_possible(tmp_path: Path) -> None:
    """File names are limited to 255 bytes, and the name of the temporary file must not exceed this limit either."""
    path = tmp_path / ("ä" * 127)
    write_atomically(path, b"new")
    assert [path] == list(tmp_path.iterdir())


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    """With replace=False, an existing file makes the write fail, which must leave the folder unchanged."""
    (tmp_path / "run.json").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "run.json", b"new", replace=False)
    assert [b"old"] == [path.read_bytes() for path in tmp_path.iterdir()]
