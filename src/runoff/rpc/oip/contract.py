"""Names in the Open Inference Protocol, and the names that runoff's own service uses in it."""

SERVICE_NAME = "inference.GRPCInferenceService"
# The only datatype that runoff's models use; the protocol has others, such as FP64 and INT32.
DATATYPE = "FP32"
# The server name of runoff's own service, the names of its models' tensors, and their only version.
SERVER_NAME = "runoff"
INPUT_NAME, OUTPUT_NAME = "input", "output"
MODEL_VERSION = "1"
