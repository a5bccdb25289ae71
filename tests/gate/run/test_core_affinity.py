"""Cores are chosen where that can be done; elsewhere the gate works all the same, and says so."""

import os
from pathlib import Path

import pytest

from runoff.gate.run.core_affinity import choose
from tests.support.gated_suites import FEWEST, gate, make_suite, write_tests

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")


@needs_affinity
def test_sides_share_one_core_and_leave_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinned pairs have a tenth of the noise."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 0, 5})
    cores = choose()
    assert ((0, 2, 5), (5,), (0, 2), "") == (cores.usable, cores.duel, cores.others, cores.note)


@needs_affinity
def test_one_core_is_not_pinned_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """There would be none left for servers."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert ((), True) == (choose().duel, "only one core" in choose().note)


def test_system_without_affinity_is_gated_and_says_so(tmp_path: Path) -> None:
    """macOS and Windows: the same verdicts, a note, and no trace of Linux's calls."""
    folder = make_suite(tmp_path / "suite", "def test_some(benchmark): benchmark(work, 500)")
    write_tests(folder, "def test_some(benchmark): benchmark(work, 2000)")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "sitecustomize.py").write_text(
        "import os\nfor name in dir(os):\n    if name.startswith('sched_'):\n        delattr(os, name)\n"
    )
    variables = {"PYTHONPATH": str(tmp_path / "elsewhere")}
    done = gate(folder, "--gate-against", "HEAD", tuning=FEWEST, variables=variables)
    assert 10 == done.code, done.output
    assert "this system does not let cores be chosen" in done.output
