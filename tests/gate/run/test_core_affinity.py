"""The gate pins processes to CPU cores if the system supports pinning, and works without pinning otherwise."""

import os
from pathlib import Path

import pytest

from runoff.gate.run.core_affinity import assign_cores
from tests.support.gated_suites import ONE_AND_ONE_BLOCK, environment, make_suite, run_gate, write_tests

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no CPU affinity")


@needs_affinity
def test_sides_share_one_core_and_leave_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing two sides on one core is ten times less noisy than on two cores, so both sides must share a core."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 0, 5})
    cores = assign_cores()
    assert ((0, 2, 5), (5,), (0, 2), "") == (cores.usable, cores.timed, cores.others, cores.note)


@needs_affinity
def test_single_core_is_not_reserved_for_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the only core were reserved for timing, the processes that workers start would have no core."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert ((), True) == (assign_cores().timed, "only one core" in assign_cores().note)


def test_system_without_affinity_is_gated_with_a_note(tmp_path: Path) -> None:
    """macOS and Windows cannot pin processes to cores, so the gate must only warn there that timings are noisier."""
    folder = make_suite(tmp_path / "suite", "def test_some(benchmark): benchmark(work, 500)")
    write_tests(folder, "def test_some(benchmark): benchmark(work, 1000)")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "sitecustomize.py").write_text(
        "import os\nfor name in dir(os):\n    if name.startswith('sched_'):\n        delattr(os, name)\n"
    )
    variables = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "elsewhere"), environment(folder)["PYTHONPATH"]])}
    run = run_gate(folder, "--gate-against", "HEAD", tuning=ONE_AND_ONE_BLOCK, variables=variables)
    assert 10 == run.exit_code, run.output
    assert "this system has no CPU affinity" in run.output
