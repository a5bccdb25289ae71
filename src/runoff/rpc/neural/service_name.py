"""The full gRPC name of the original service, which the client and the server must both use."""

SERVICE_NAME = "neural.NeuralService"
