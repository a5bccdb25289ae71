"""runoff: a performance suite for small neural networks, with numbers people can trust."""
