"""ONNX Runtime with one thread, used to check converted models and users' ONNX files. Benchmarks do not use it."""

import onnxruntime


def open_single_thread_session(model_bytes: bytes) -> onnxruntime.InferenceSession:
    """Load a serialised model into ONNX Runtime on the CPU, with one thread and without log output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Log fatal errors only: other errors raise exceptions, and ONNX Runtime's warnings do not help users.
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model_bytes, options, providers=["CPUExecutionProvider"])
