"""A gRPC service that runs models on in-process backends: its server, request handlers and launcher."""
