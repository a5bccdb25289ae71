"""Saved runs with a single case, for tests of records and reports."""

import json
from pathlib import Path
from typing import Any

import msgspec
from pytest_benchmark.logger import Logger

from runoff.records.run_record import describe_run
from runoff.records.schema import SavedRun
from runoff.records.store import AtomicStore
from tests.support.records import case_record


def plain_run(latency_s: float = 1e-3) -> dict[str, Any]:
    """Make a run with one case that runoff measured, in the form in which pytest-benchmark passes it to its storage."""
    times = dict.fromkeys(("min", "max", "mean", "median", "q1", "q3"), latency_s)
    spread = {"stddev": 0.0, "iqr": 0.0, "ops": 1 / latency_s, "total": latency_s, "rounds": 20, "iterations": 4}
    record = case_record(latency_s=latency_s)
    benchmark = {
        "group": None,
        "name": "test_predict[x]",
        "fullname": "tests/perf/test_predict.py::test_predict[x]",
        "params": None,
        "param": None,
        "extra_info": {"runoff": msgspec.to_builtins(record)},
        "options": {},
        "stats": times | spread,
    }
    return {
        "machine_info": {"node": "here"},
        "commit_info": {"id": "abc"},
        "benchmarks": [benchmark],
        "datetime": "2026-01-01T00:00:00+00:00",
        "version": "5.3.1",
        "runoff": msgspec.to_builtins(describe_run("")),
    }


def store_in(folder: Path) -> AtomicStore:
    """Open a store that prints no messages."""
    return AtomicStore(folder, Logger(Logger.QUIET), "this-machine")


def write_file(store: AtomicStore, name: str, content: bytes | dict[str, Any]) -> Path:
    """Write a file directly into the store's folder, without using the store."""
    store.folder.mkdir(parents=True, exist_ok=True)
    path = store.folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def saved_run(**replaced: Any) -> SavedRun:
    """Make a saved run in the form that `read_run` returns. Keyword arguments replace some of its fields."""
    return msgspec.convert(plain_run() | replaced, type=SavedRun)
