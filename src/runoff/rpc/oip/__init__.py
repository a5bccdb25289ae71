"""The Open Inference Protocol (KServe v2) over gRPC: messages, codecs and client, as Triton and its like speak it."""
