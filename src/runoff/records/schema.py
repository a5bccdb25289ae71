"""
The fields of saved runs, in schema version 1.

The classes are frozen msgspec structs, because msgspec decodes and validates them in one step: 0.4 ms for 88 cases,
against 0.9 ms for dataclasses (benchmarks/history.py measures whole files).
"""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

SCHEMA_VERSION = 1

Seconds = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Fact = str | int | float | bool
# If a file has a higher schema version, reader.py raises an error that recommends a newer runoff.
Schema = Annotated[int, Meta(ge=1, le=SCHEMA_VERSION)]

# Values of CaseRecord.answers, which states how the case's outputs were verified.
VERIFIED = "float64 reference"
UNVERIFIED = "not verified against a reference"
COMPUTES_NOTHING = "computes nothing"
OTHER_MODEL = "another model"


class CaseRecord(Struct, frozen=True, kw_only=True):
    """
    Measurements and facts about one case, saved in addition to pytest-benchmark's own statistics.

    Calls through a service have up to seven parts, which are measured separately after the rounds. The four parts
    inside the service lie within `client_wait_s` and are None if the service does not report them.

    Attributes:
        schema: Version of these fields.
        case: Id of the case, such as `onnxruntime-cpu-rps_h64_policy-b64`.
        backend: Name of the backend.
        model: Name of the model.
        batch_size: Samples per call.
        model_description: Kind and sizes of the model, such as `policy 81→64→9`.
        model_digest: SHA-256 of the model's kind, sizes and weights; for a user's ONNX file, of the file.
        input_size: Number of input values of one sample.
        output_size: Number of outputs of one sample.
        device_type: Type of the device that really computed: `cpu` or `gpu`.
        device_name: Model name of that processor or GPU.
        service: Whether a service computed the outputs, rather than this process.
        framework_label: Name of the framework in table titles, such as `ONNX Runtime`.
        facts: Facts that the backend reports: framework, version, threads, spinning and so on.
        answers: How the outputs were verified: VERIFIED, UNVERIFIED, COMPUTES_NOTHING or OTHER_MODEL.
        worst_error: Largest absolute difference from the reference; None if there is no reference.
        allowed_error: Largest error that float32 rounding allows for this model and batch.
        error_fraction_of_allowed: Largest quotient of an element's error and its allowed error; at most 1.
        first_call_s: Duration of the first call.
        steady: Whether the warm-up reached a steady state.
        iterations: Calls per round.
        rounds: Number of rounds.
        latency_s_per_batch: Median over the rounds of the duration of one call.
        latency_low_s_per_batch: Lower end of the 95 % confidence interval of that median.
        latency_high_s_per_batch: Upper end of the same interval.
        latency_s_per_sample: latency_s_per_batch / batch_size.
        throughput_samples_per_s: batch_size / latency_s_per_batch.
        yardstick_before_s: Duration of the yardstick just before the rounds.
        yardstick_after_s: Duration of the yardstick just after the rounds.
        load_before: Load average over the minute before the rounds.
        steal_s: CPU time that the hypervisor gave to other guests during the rounds.
        client_encode_s: Time in which the client encodes the array as a request.
        client_wait_s: Time from sending the request to receiving the response.
        client_decode_s: Time in which the client decodes the response into a checked array.
        service_decode_s: Time in which the service decodes the request into a checked array.
        service_queue_s: Time for which the request waits for the model in the service.
        service_compute_s: Time of the model's forward pass in the service.
        service_encode_s: Time in which the service encodes the outputs as a response.
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
    Facts about a whole run.

    Attributes:
        schema: Version of these fields.
        complete: Whether every selected case was measured; an incomplete run is never used as a baseline.
        incomplete_because: Reason why the run is incomplete, as text for users; empty if it is complete.
        processor: Model name of the processor.
        cores: Number of cores that the process could use.
        system: Operating system and architecture.
        python: Implementation and version of Python.
        packages: Versions of the packages that affect timings.
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
    """The statistics computed by pytest-benchmark that runoff reads. Durations are in seconds per call."""

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
    """The `extra_info` of a benchmark. Only runoff's record in it is read; benchmarks of other suites have none."""

    runoff: CaseRecord | None = None


class SavedBenchmark(Struct, frozen=True, kw_only=True):
    """One benchmark of a saved run."""

    fullname: str
    name: str
    stats: Stats
    extra_info: ExtraInfo = field(default_factory=ExtraInfo)


class SavedRun(Struct, frozen=True, kw_only=True):
    """A saved run of any pytest-benchmark suite. The field `runoff` is None unless runoff's plugin saved the run."""

    machine_info: dict[str, Any]
    commit_info: dict[str, Any]
    benchmarks: list[SavedBenchmark]
    datetime: str
    version: str
    runoff: RunRecord | None = None

    @property
    def records(self) -> list[CaseRecord]:
        """The records of the benchmarks that runoff measured."""
        found = (benchmark.extra_info.runoff for benchmark in self.benchmarks)
        return [record for record in found if record is not None]
