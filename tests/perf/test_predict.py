"""The perf suite: time one forward pass for every combination of backend, model and batch size."""

from functools import partial

import msgspec
import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from fixtures.answer_check import check_answers
from fixtures.case_records import case_record, label_benchmark
from fixtures.cases import Case
from fixtures.converted_models import GetModel, skip_other_batch_sizes
from fixtures.input_batches import make_batch
from fixtures.open_backends import OpenBackend, WatchService, open_or_skip
from fixtures.plain_failures import plain_failures
from fixtures.suite_options import SuiteOptions
from fixtures.timed_rounds import time_rounds
from runoff.measurement.machine_conditions import observe_machine
from runoff.measurement.warm_up import LONGEST_WARM_UP_NS, warm_up

# Keep the warm-up short in a gate run: all workers warm up at once on one core, so call durations never become steady,
# and the gate warms up each worker again before it times the worker's rounds.
WARM_UP_IN_GATE_NS = 50_000_000
# After the timed rounds, this many extra calls measure the parts of a call, such as the time inside the service. 60
# calls give stable means and take less than 0.1 s with runoff's services.
PROFILED_CALLS = 60


def test_predict(
    backend: str,
    model: str,
    batch_size: int,
    converted_model: GetModel,
    open_backend: OpenBackend,
    watched_service: WatchService,
    suite_options: SuiteOptions,
    benchmark: BenchmarkFixture,
) -> None:
    """Time calls of a backend's `predict` method. If the answers are wrong, the case fails without being timed."""
    case = Case(backend, model, batch_size)
    with plain_failures():
        converted = converted_model(model)
        skip_other_batch_sizes(converted, batch_size)
        opened = open_or_skip(open_backend, case, suite_options)
        batch = make_batch(opened.input_size, batch_size)
        with watched_service(case):
            # The backend may have been opened for an earlier case. If its service was restarted since then, gRPC
            # reconnected silently, and only this check notices the restart.
            opened.check_same_service()
            # The warm-up times the case's first call. Checking the answers also calls the backend, so warm up first.
            longest_ns = WARM_UP_IN_GATE_NS if suite_options.in_gate else LONGEST_WARM_UP_NS
            warm = warm_up(partial(opened.predict, batch), longest_ns=longest_ns) if benchmark.enabled else None
            answers = check_answers(case, converted, opened, batch, allow_other=suite_options.allow_other_model)
            label_benchmark(benchmark, case, answers)
            if warm is None:
                benchmark(opened.predict, batch)
                return
            conditions = observe_machine(
                partial(time_rounds, benchmark, opened.predict, batch, suite_options.rounds, warm.iterations())
            )
            parts = None if suite_options.in_gate else opened.profile(batch, PROFILED_CALLS)
            opened.check_same_service()
    assert benchmark.stats is not None
    durations = np.array(benchmark.stats.stats.data)
    record = case_record(case, converted, opened, answers, warm, conditions, durations, parts)
    benchmark.extra_info["runoff"] = msgspec.to_builtins(record)
