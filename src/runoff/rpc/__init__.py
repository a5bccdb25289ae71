"""What gRPC clients and the service share; one folder per protocol."""
