"""The store of saved runs never loses a run and never changes a saved file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runoff.errors import RecordError
from runoff.records.store import AtomicStore
from tests.support.saved_runs import plain_run, store_in, write_file


def _names(store: AtomicStore) -> list[str]:
    """Return the names of all files in a store except its lock file."""
    return sorted(name for name in os.listdir(store.folder) if name != ".lock")


def test_file_saved_without_the_lock_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-benchmark itself ignores runoff's lock, so it may save a file meanwhile, which must not be overwritten."""
    store = store_in(tmp_path)
    theirs = write_file(store, "0001_run.json", b"theirs")
    monkeypatch.setattr(store, "_numbered", list)
    store.save(plain_run(), "run")
    assert theirs.read_bytes() == b"theirs"
    assert _names(store) == ["0001_run.json", "0002_run.json"]


def test_run_is_saved_under_the_next_number(tmp_path: Path) -> None:
    """pytest-benchmark's own commands find saved runs by their numbers, so each run must get the next number."""
    store = store_in(tmp_path)
    store.save(plain_run(), "first")
    store.save(plain_run(), "second")
    assert ["0001_first.json", "0002_second.json"] == _names(store)


def test_numbers_continue_after_9999(tmp_path: Path) -> None:
    """pytest-benchmark itself finds only runs with four-digit numbers, but runoff must continue after 9999."""
    store = store_in(tmp_path)
    write_file(store, "9999_old.json", plain_run())
    store.save(plain_run(), "new")
    assert store.saved == store.folder / "10000_new.json"


def test_newest_run_comes_first(tmp_path: Path) -> None:
    """Runs are sorted by number, because file names sort 10000 before 9999, and the saved times may be wrong."""
    store = store_in(tmp_path)
    for name in ("9999_a.json", "10000_b.json", "0002_c.json"):
        write_file(store, name, plain_run())
    assert ["10000_b.json", "9999_a.json", "0002_c.json"] == [path.name for path, _ in store.runs_newest_first()]


def test_broken_files_are_skipped_counted_and_kept(tmp_path: Path) -> None:
    """Users need to see which saved runs are broken, and may want to repair them, so the files must be kept."""
    store = store_in(tmp_path)
    write_file(store, "0001_good.json", plain_run())
    broken = [write_file(store, f"000{n}_bad.json", content) for n, content in ((2, b""), (3, b"{"), (4, b"<html>"))]
    assert ["0001_good.json"] == [path.name for path, _ in store.runs_newest_first()]
    assert set(broken) == set(store.skipped)
    assert all(path.exists() for path in broken)


def test_load_without_a_name_gives_the_newest_readable_run(tmp_path: Path) -> None:
    """`--benchmark-compare` without a number must compare with the newest run that is readable."""
    store = store_in(tmp_path)
    write_file(store, "0001_good.json", plain_run())
    write_file(store, "0002_bad.json", b"{")
    assert [Path("this-machine/0001_good.json")] == [path for path, _ in store.load()]


def test_nan_is_saved_as_null(tmp_path: Path) -> None:
    """NaN is not valid JSON, so a file that contained it could not be read by other programs."""
    store = store_in(tmp_path)
    store.save(plain_run() | {"extra": float("nan")}, "run")
    assert store.saved
    assert json.loads(store.saved.read_bytes())["extra"] is None


def test_file_is_saved_inside_the_folder_whatever_its_name(tmp_path: Path) -> None:
    """A run name that contains `..` must not place the file outside the folder of saved runs."""
    store = store_in(tmp_path)
    store.save(plain_run(), "../../escaped")
    assert ["this-machine"] == os.listdir(tmp_path)


def test_check_fails_if_the_folder_cannot_be_written(tmp_path: Path) -> None:
    """An unwritable folder must be reported before the measurement, so that an hour of results is not lost."""
    (tmp_path / "this-machine").write_text("a file where the folder should be")
    with pytest.raises(RecordError, match="results cannot be saved there"):
        store_in(tmp_path).check_writable()


_SAVER = """
import sys
from pathlib import Path
from tests.support.saved_runs import plain_run, store_in
for number in range(20):
    store_in(Path(sys.argv[1])).save(plain_run(), f"saver{sys.argv[2]}-{number}")
"""


def _start_saver(folder: Path, name: str) -> "subprocess.Popen[bytes]":
    """Start a process that saves 20 runs to a folder."""
    root = Path(__file__).parents[2]
    return subprocess.Popen([sys.executable, "-c", _SAVER, str(folder), name], cwd=root)


def test_processes_that_save_at_the_same_time_lose_no_run(tmp_path: Path) -> None:
    """pytest-benchmark itself lost 4 of 200 runs that several processes saved at once; runoff must lose none."""
    savers = [_start_saver(tmp_path, str(n)) for n in range(3)]
    assert [0, 0, 0] == [saver.wait() for saver in savers]
    store = store_in(tmp_path)
    assert len(list(store.runs_newest_first())) == 60
    assert len({name.partition("_")[0] for name in _names(store)}) == 60


_LIMITED = """
import resource, signal, sys, tempfile
from pathlib import Path
from tests.support.saved_runs import plain_run, store_in
store = store_in(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
tempfile.tempdir = sys.argv[2]
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
mkdtemp = tempfile.mkdtemp
def mkdtemp_without_limit(prefix):
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return mkdtemp(prefix=prefix)
tempfile.mkdtemp = mkdtemp_without_limit
store.save(plain_run(), "second")
print(store.rescued)
"""


def test_run_is_rescued_and_older_runs_are_kept_if_the_disk_is_full(tmp_path: Path) -> None:
    """A full disk makes a write fail half-way. The test simulates this with a limit on the file size."""
    store = store_in(tmp_path / "store")
    store.save(plain_run(), "first")
    command = [sys.executable, "-c", _LIMITED, str(tmp_path / "store"), str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert ["0001_first.json"] == _names(store)
    assert json.loads(Path(done.stdout.strip()).read_bytes())["benchmarks"]
