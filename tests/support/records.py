"""Case records and measured cases with made-up numbers, for tests of reports and saved runs."""

from typing import Any

import numpy as np

from runoff.records.schema import VERIFIED, CaseRecord
from runoff.report.measured import MeasuredCase


def case_record(
    backend: str = "onnxruntime-cpu", batch_size: int = 1, latency_s: float = 1e-3, **more: Any
) -> CaseRecord:
    """Make the record of a case with the given latency per batch. Keyword arguments replace further fields."""
    service = backend.endswith(("-grpc", "-oip"))
    fields: dict[str, Any] = {
        "case": f"{backend}-net-b{batch_size}",
        "backend": backend,
        "model": "net",
        "batch_size": batch_size,
        "model_description": "policy 5→7→3",
        "model_digest": "d" * 64,
        "input_size": 5,
        "output_size": 3,
        "device_type": "cpu",
        "device_name": "a processor",
        "service": service,
        "framework_label": "TensorFlow" if service else "ONNX Runtime",
        "facts": {"framework": "x", "framework_version": "1", "threads": 1, "spinning": False},
        "answers": VERIFIED,
        "worst_error": 1e-8,
        "allowed_error": 1e-6,
        "error_fraction_of_allowed": 0.01,
        "first_call_s": 1.0,
        "steady": True,
        "iterations": 4,
        "rounds": 20,
        "latency_s_per_batch": latency_s,
        "latency_low_s_per_batch": latency_s,
        "latency_high_s_per_batch": latency_s,
        "latency_s_per_sample": latency_s / batch_size,
        "throughput_samples_per_s": batch_size / latency_s,
        "yardstick_before_s": 1e-3,
        "yardstick_after_s": 1e-3,
        "load_before": 0.0,
        "steal_s": 0.0,
    }
    return CaseRecord(**(fields | more))


def measured_case(
    backend: str = "onnxruntime-cpu", batch_size: int = 1, latency_s: float = 1e-3, **more: Any
) -> MeasuredCase:
    """Make a measured case with twenty rounds whose times differ from `latency_s` by at most 1 %."""
    rounds = latency_s * np.linspace(0.99, 1.01, 20)
    return MeasuredCase(case_record(backend, batch_size, latency_s, **more), rounds)
