"""One run of the gate, from the worker processes with their interleaved rounds to the verdict of every case."""
