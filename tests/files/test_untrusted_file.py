"""Reading an untrusted file must never block and never use more memory than allowed."""

import os
import socket
import sys
from pathlib import Path

import pytest

from runoff.errors import ModelError
from runoff.files.untrusted_file import read_bytes

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


def error_message(path: Path, max_bytes: int = 100) -> str:
    """Read a file and return the message of the ModelError. The message must start with the file's path."""
    with pytest.raises(ModelError) as caught:
        read_bytes(path, max_bytes)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def test_file_within_the_limit_is_read(tmp_path: Path) -> None:
    """The maximum size is inclusive, so a file of exactly that size must be accepted."""
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert b"x" * 100 == read_bytes(tmp_path / "file", 100)


def test_file_over_the_limit_is_rejected_with_both_sizes(tmp_path: Path) -> None:
    """The message about an oversized file must give both its size and the maximum size."""
    (tmp_path / "file").write_bytes(b"x" * 101)
    assert "has 101 bytes, expected at most 100" in error_message(tmp_path / "file")


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    """If the user mistypes a path, the error must be a message with that path, not a traceback."""
    assert "cannot be read: No such file" in error_message(tmp_path / "gone")


def test_folder_is_rejected(tmp_path: Path) -> None:
    """On POSIX systems opening a folder succeeds and only reading it fails, so folders need their own error message."""
    assert "is a folder, expected a file" in error_message(tmp_path)


@posix
def test_fifo_is_rejected_without_waiting_for_a_writer(tmp_path: Path) -> None:
    """Opening a FIFO without O_NONBLOCK blocks until a program writes to it, so a FIFO must be rejected."""
    os.mkfifo(tmp_path / "fifo")
    assert "is a FIFO" in error_message(tmp_path / "fifo")


@posix
def test_device_is_rejected() -> None:
    """/dev/zero has no end, so reading it would exhaust memory. Devices must be rejected."""
    assert "is a device" in error_message(Path("/dev/zero"))


@posix
def test_socket_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a socket as a file raises an OSError, which must be converted to a ModelError."""
    monkeypatch.chdir(tmp_path)  # A socket's path is limited to 107 bytes, so the test uses a relative path.
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert "cannot be read" in error_message(Path("socket"))


@posix
def test_message_gives_the_target_of_a_dangling_link(tmp_path: Path) -> None:
    """`ls` shows a dangling link, so the message "no such file" would confuse users unless it names the target."""
    (tmp_path / "link").symlink_to("nowhere")
    assert "is a link to nowhere, which does not exist" in error_message(tmp_path / "link")


@posix
def test_link_to_a_file_is_followed(tmp_path: Path) -> None:
    """People share models through symbolic links."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    assert b"x" == read_bytes(tmp_path / "link", 100)


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root can read every file")
def test_unreadable_file_is_rejected(tmp_path: Path) -> None:
    """The message about an unreadable file must give the operating system's reason, such as `Permission denied`."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(0)
    assert "cannot be read: Permission denied" in error_message(tmp_path / "file")


def test_path_with_a_null_byte_is_rejected() -> None:
    """For a path with a null byte, Python raises a ValueError, which must be converted to a ModelError."""
    assert "cannot be read" in error_message(Path("a\0b"))
