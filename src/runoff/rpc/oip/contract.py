"""What the Open Inference Protocol calls things, and what our own service calls its tensors."""

SERVICE_NAME = "inference.GRPCInferenceService"
# The one datatype of these networks; others are FP64, INT32, BYTES and so on.
DATATYPE = "FP32"
# How our own service introduces itself, and what its models' tensors and their one version are called.
SERVER_NAME = "runoff"
INPUT_NAME, OUTPUT_NAME = "input", "output"
MODEL_VERSION = "1"
