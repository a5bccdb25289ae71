"""The gRPC service around any in-process backend: server, request handlers and launcher."""
