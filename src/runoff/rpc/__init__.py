"""Code that the gRPC clients and the service share. Each protocol has a subfolder; the modules here are for all."""
