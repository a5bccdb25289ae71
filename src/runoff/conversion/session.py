"""ONNX Runtime as the judge of conversions and of users' files: one thread, no spinning, silent."""

import onnxruntime


def open_session(model_bytes: bytes) -> onnxruntime.InferenceSession:
    """Open a model in ONNX Runtime on the CPU: one thread, no spinning, silent."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Errors come as exceptions; the rest is of no use to a user.
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model_bytes, options, providers=["CPUExecutionProvider"])
