"""The name of the service; client and server also share its messages."""

SERVICE_NAME = "neural.NeuralService"
