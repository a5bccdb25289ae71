"""Names that the Open Inference Protocol defines, and names that runoff's own service chose for its tensors."""

SERVICE_NAME = "inference.GRPCInferenceService"
# The only datatype that runoff sends and accepts. The protocol also defines others, such as FP64 and INT32.
DATATYPE = "FP32"
# The server name that runoff's own service reports, the names of its models' tensors, and its models' only version.
SERVER_NAME = "runoff"
INPUT_NAME, OUTPUT_NAME = "input", "output"
MODEL_VERSION = "1"
