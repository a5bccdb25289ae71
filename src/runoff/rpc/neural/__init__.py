"""The protocol of `neural.NeuralService`: messages, codecs and client."""
