"""The rock-paper-scissors card game, and the program that trains the networks in fixtures/models to play it."""
