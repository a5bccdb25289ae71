"""The gRPC service around any in-process backend: server, client and launcher."""
