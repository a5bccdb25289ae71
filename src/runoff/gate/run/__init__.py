"""One run of the gate: worker processes, interleaved rounds, blocks, and the verdict of every case."""
