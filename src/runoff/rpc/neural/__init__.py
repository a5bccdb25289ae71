"""The original protocol, `neural.NeuralService`: its messages, codecs and client."""
