"""Code that gRPC clients and the service share, whatever the protocol; one folder for each protocol."""
