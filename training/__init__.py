"""The card game and the program that trains the networks in fixtures/models."""
