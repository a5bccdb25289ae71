"""The full gRPC name of the service, which client and server share."""

SERVICE_NAME = "neural.NeuralService"
