"""The gRPC service, which runs models on in-process backends: the server, the request handlers and the launcher."""
