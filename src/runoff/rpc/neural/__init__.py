"""`neural.NeuralService` as both its sides know it: messages, codecs, limits, and the client."""
