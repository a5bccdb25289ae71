"""One forward pass, from a float32 array to a float32 array, on every backend, model and batch size."""

from functools import partial

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from fixtures.cases import Case
from fixtures.converted_models import GetModel, skip_other_batch_sizes
from fixtures.input_batches import make_batch
from fixtures.measurement import PROFILED_CALLS, case_record, check_answers, label_benchmark, time_case
from fixtures.open_backends import OpenBackend, WatchService, open_or_skip
from fixtures.plain_failures import plain_failures
from fixtures.suite_options import SuiteOptions
from runoff.measurement.warm_up import LONGEST_WARM_UP_NS, warm_up
from runoff.records.saved import to_plain

# The gate's sides are set up all at once, on one core, where no call is steady for long; each is warmed again alone.
WARM_UP_IN_GATE_NS = 50_000_000


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
    """What a caller pays for one call; timed only after the answers were found right."""
    case = Case(backend, model, batch_size)
    with plain_failures():
        converted = converted_model(model)
        skip_other_batch_sizes(converted, batch_size)
        opened = open_or_skip(open_backend, case, suite_options)
        batch = make_batch(opened.input_size, batch_size)
        with watched_service(case):
            # Backends stay open from case to case, and a channel follows whoever comes to listen at its address.
            opened.check_same_service()
            # The warm-up makes the very first call; what it finds is of no use unless the answers are right.
            longest_ns = WARM_UP_IN_GATE_NS if suite_options.in_gate else LONGEST_WARM_UP_NS
            warm = warm_up(partial(opened.predict, batch), longest_ns=longest_ns) if benchmark.enabled else None
            answers = check_answers(case, converted, opened, batch, allow_other=suite_options.allow_other_model)
            label_benchmark(benchmark, case, answers)
            if warm is None:
                benchmark(opened.predict, batch)
                return
            surroundings = time_case(opened, batch, benchmark, suite_options.rounds, warm)
            parts = None if suite_options.in_gate else opened.profile(batch, PROFILED_CALLS)
            opened.check_same_service()
    assert benchmark.stats is not None
    durations = np.array(benchmark.stats.stats.data)
    record = case_record(case, converted, opened, answers, warm, surroundings, durations, parts)
    benchmark.extra_info["runoff"] = to_plain(record)
