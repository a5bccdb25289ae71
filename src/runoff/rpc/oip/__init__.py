"""The gRPC form of the Open Inference Protocol (KServe v2), which Triton and other servers implement."""
