"""The gRPC clients, and code that they share with the service. Each subfolder contains the code for one protocol."""
