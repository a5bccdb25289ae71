"""The Open Inference Protocol (KServe v2) over gRPC, which Triton and other servers speak: messages, codec, client."""
