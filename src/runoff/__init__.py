"""runoff: a benchmark suite for small neural networks, and a gate that detects slowdowns on noisy machines."""
