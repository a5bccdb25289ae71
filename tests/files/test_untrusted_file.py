"""Reading a file that somebody else made never waits and never takes more memory than allowed."""

import os
import socket
import sys
from pathlib import Path

import pytest

from runoff.errors import ModelError
from runoff.files.untrusted_file import read_bytes

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


def refusal(path: Path, max_bytes: int = 100) -> str:
    with pytest.raises(ModelError) as caught:
        read_bytes(path, max_bytes)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def test_file_within_the_limit_is_read(tmp_path: Path) -> None:
    """The limit itself is allowed."""
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert b"x" * 100 == read_bytes(tmp_path / "file", 100)


def test_file_over_the_limit_is_refused_with_both_sizes(tmp_path: Path) -> None:
    """The user must know how much is too much."""
    (tmp_path / "file").write_bytes(b"x" * 101)
    assert "has 101 bytes, expected at most 100" in refusal(tmp_path / "file")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """By its path, without a traceback."""
    assert "cannot be read: No such file" in refusal(tmp_path / "gone")


def test_folder_is_refused(tmp_path: Path) -> None:
    """A folder can be opened like a file on POSIX."""
    assert "is a folder, expected a file" in refusal(tmp_path)


@posix
def test_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    """Opening it plainly would hang for ever."""
    os.mkfifo(tmp_path / "fifo")
    assert "is a FIFO" in refusal(tmp_path / "fifo")


@posix
def test_device_is_refused() -> None:
    """/dev/zero has no end."""
    assert "is a device" in refusal(Path("/dev/zero"))


@posix
def test_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no file either."""
    monkeypatch.chdir(tmp_path)  # a socket's path may have 107 bytes at most
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert "cannot be read" in refusal(Path("socket"))


@posix
def test_dangling_link_says_where_it_leads(tmp_path: Path) -> None:
    """`no such file` about a name that `ls` shows is a riddle."""
    (tmp_path / "link").symlink_to("nowhere")
    assert "is a link to nowhere, which does not exist" in refusal(tmp_path / "link")


@posix
def test_link_to_a_file_is_followed(tmp_path: Path) -> None:
    """Links are how people share models."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    assert b"x" == read_bytes(tmp_path / "link", 100)


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    """With the system's reason."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(0)
    assert "cannot be read: Permission denied" in refusal(tmp_path / "file")


def test_path_with_a_null_byte_is_refused() -> None:
    """The system raises a ValueError there."""
    assert "cannot be read" in refusal(Path("a\0b"))
