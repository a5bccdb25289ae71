"""The card game and the training of the networks in fixtures/models."""
