"""Code that the gRPC clients and the service share. Each subfolder contains the code for one protocol."""
