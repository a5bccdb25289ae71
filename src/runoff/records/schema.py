"""
The fields of a record; version 1.

They are msgspec's structs, frozen as data is everywhere: a file's bytes become typed and checked ones in one go, in
0.4 ms for 88 cases; dataclasses take 0.9 (benchmarks/history.py says what whole files take).
"""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

SCHEMA_VERSION = 1

Seconds = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Fact = str | int | float | bool
# A newer one is refused with its cure (saved.py).
Schema = Annotated[int, Meta(ge=1, le=SCHEMA_VERSION)]

# What can be said of a case's answers.
VERIFIED = "float64 reference"
UNVERIFIED = "not verified against a reference"
COMPUTES_NOTHING = "computes nothing"
OTHER_MODEL = "another model"


class CaseRecord(Struct, frozen=True, kw_only=True):
    """
    What one case measured, beside pytest-benchmark's own statistics.

    Attributes:
        schema: Version of these fields.
        case: The case's id, `onnxruntime-cpu-rps_h64_policy-b64`.
        backend: The backend's name.
        model: The model's name.
        batch_size: Samples of one call.
        model_description: Kind and sizes, `policy 81→64→9`.
        model_digest: SHA-256 of kind, sizes and weights; of the file for a bare ONNX file.
        input_size: Features of one sample.
        output_size: Outputs of one sample.
        device_type: `cpu` or `gpu`: where the work was really done.
        device_name: That processor's or GPU's own name.
        service: Whether it was done behind a service rather than in this process.
        framework_label: How titles call the framework, `ONNX Runtime`.
        facts: What the backend says of itself: framework, version, threads, spinning, and so on.
        answers: VERIFIED, UNVERIFIED, COMPUTES_NOTHING or OTHER_MODEL.
        worst_error: Largest absolute difference from the reference, where there is one.
        allowed_error: What float32 allows for this model and batch.
        error_fraction_of_allowed: Largest quotient of the two over all elements; at most 1.
        first_call_s: The very first call.
        steady: Whether the warm-up reached a steady state.
        iterations: Calls in a round.
        rounds: Rounds.
        latency_s_per_batch: Median over rounds of the time of one call.
        latency_low_s_per_batch: Lower end of its 95 % interval.
        latency_high_s_per_batch: Upper end of it.
        latency_s_per_sample: latency_s_per_batch / batch_size.
        throughput_samples_per_s: batch_size / latency_s_per_batch.
        yardstick_before_s: The yardstick's time just before the rounds.
        yardstick_after_s: Just after them.
        load_before: Load average over a minute before the rounds.
        steal_s: CPU time that a hypervisor gave to others during the rounds.
        client_encode_s: Part of a call through a service, taken apart after the rounds: array to request.
        client_wait_s: Request to reply; the service's four parts lie within.
        client_decode_s: Reply to checked array.
        service_decode_s: Request to checked array, as the service says; None where it says nothing, like all below.
        service_queue_s: Waiting for the model there.
        service_compute_s: Its forward pass.
        service_encode_s: Outputs to reply.
    """

    schema: Schema = SCHEMA_VERSION
    case: str
    backend: str
    model: str
    batch_size: Count
    model_description: str
    model_digest: str
    input_size: Count
    output_size: Count
    device_type: str
    device_name: str
    service: bool
    framework_label: str
    facts: dict[str, Fact]
    answers: str
    worst_error: Seconds | None = None
    allowed_error: Seconds | None = None
    error_fraction_of_allowed: Seconds | None = None
    first_call_s: Seconds
    steady: bool
    iterations: Count
    rounds: Count
    latency_s_per_batch: Positive
    latency_low_s_per_batch: Positive
    latency_high_s_per_batch: Positive
    latency_s_per_sample: Positive
    throughput_samples_per_s: Positive
    yardstick_before_s: Positive
    yardstick_after_s: Positive
    load_before: Seconds
    steal_s: Seconds
    client_encode_s: Seconds | None = None
    client_wait_s: Seconds | None = None
    client_decode_s: Seconds | None = None
    service_decode_s: Seconds | None = None
    service_queue_s: Seconds | None = None
    service_compute_s: Seconds | None = None
    service_encode_s: Seconds | None = None


class RunRecord(Struct, frozen=True, kw_only=True):
    """
    What a whole run was.

    Attributes:
        schema: Version of these fields.
        complete: Whether every case that was asked for was measured; an incomplete run is never a baseline.
        incomplete_because: Why not, for people.
        processor: The processor's own name.
        cores: Cores this process could use.
        system: Operating system and architecture.
        python: Python's version.
        packages: Versions of the packages a timing depends on.
    """

    schema: Schema = SCHEMA_VERSION
    complete: bool
    incomplete_because: str = ""
    processor: str
    cores: Count
    system: str
    python: str
    packages: dict[str, str] = field(default_factory=dict)


class Stats(Struct, frozen=True, kw_only=True):
    """pytest-benchmark's statistics of one benchmark, as far as readers need them; in seconds per call."""

    min: Seconds
    max: Seconds
    mean: Seconds
    stddev: Seconds
    median: Seconds
    iqr: Seconds
    ops: Seconds
    rounds: Count
    iterations: Count = 1


class ExtraInfo(Struct, frozen=True, kw_only=True):
    """What a test said about itself; `runoff` only if runoff measured it, the rest is nobody's business here."""

    runoff: CaseRecord | None = None


class SavedBenchmark(Struct, frozen=True, kw_only=True):
    """One benchmark of a saved run."""

    fullname: str
    name: str
    stats: Stats
    extra_info: ExtraInfo = field(default_factory=ExtraInfo)


class SavedRun(Struct, frozen=True, kw_only=True):
    """A saved run of any pytest-benchmark suite; `runoff` only if runoff's plugin saved it."""

    machine_info: dict[str, Any]
    commit_info: dict[str, Any]
    benchmarks: list[SavedBenchmark]
    datetime: str
    version: str
    runoff: RunRecord | None = None

    @property
    def records(self) -> list[CaseRecord]:
        """The cases that runoff measured."""
        found = (benchmark.extra_info.runoff for benchmark in self.benchmarks)
        return [record for record in found if record is not None]
