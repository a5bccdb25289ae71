"""Whoever answers at an address is who was opened, or the case does not count."""

import json
from pathlib import Path

import pytest

from tests.support.perf_runs import PerfRun
from tests.support.services import free_port


@pytest.mark.parametrize("moment", ["before", "within"])
@pytest.mark.parametrize("protocol", ["grpc", "oip"])
def test_service_replaced_on_its_port_voids_the_case(tmp_path: Path, protocol: str, moment: str) -> None:
    """The same program with the same model may run with other threads, or on another device: nobody asked it."""
    perf, port = PerfRun(tmp_path), free_port()
    replaced = {"REPLACED_SERVICE": json.dumps({"model": str(perf.model), "port": port, "moment": moment})}
    backend = f"remote-{protocol}"
    words = ["--backends", backend, f"--{protocol}-addr", f"127.0.0.1:{port}", "--batch-sizes", "1,2,3"]
    done = perf.run("-p", "tests.support.replaced_service", *words, environment=replaced)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert f"{backend}: another service answers at 127.0.0.1:{port}: pid was" in done.stdout
    assert "nonce was" in done.stdout
    assert "rounds of a replaced service" not in done.stdout
    assert [f"{backend}-small-b1"] == [b["extra_info"]["runoff"]["case"] for b in perf.saved()["benchmarks"]]
