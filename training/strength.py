"""Evaluation of trained networks: how often a policy wins, and how large a value network's prediction error is."""

import numpy as np

from runoff.models.mlp import Mlp
from training.rps_game import (
    BoolArray,
    Games,
    IndexArray,
    features,
    finished,
    greediest_cards,
    legal_squares,
    play,
    start,
    winner,
)
from training.self_play import Samples, random_squares


def policy_squares(games: Games, policy: Mlp) -> IndexArray:
    """Return the empty square to which a policy network gives the highest probability in each game, shape (count,)."""
    probabilities = policy.forward(features(games))
    return np.asarray(np.where(legal_squares(games), probabilities, -1.0).argmax(axis=1))


def beats_random(policy: Mlp, count: int, rng: np.random.Generator) -> BoolArray:
    """
    Let a policy network play games against an opponent that chooses squares at random.

    Both players choose their cards with `greediest_cards`.

    Args:
        policy: The network; it always plays its most probable empty square.
        count: Number of games; the network is player 1 in the games 0, 2, 4, ….
        rng: Source of the deals and of the opponent's squares.

    Returns:
        Whether the network won each game, shape (count,).
    """
    games = start(count, rng)
    sides = (np.arange(count) % 2 + 1).astype(np.int8)
    while not finished(games).any():
        squares = np.where(games.to_move == sides, policy_squares(games, policy), random_squares(games, rng))
        games = play(games, squares, greediest_cards(games, squares))
    return np.asarray(winner(games) == sides)


def brier_scores(value: Mlp, samples: Samples) -> tuple[float, float]:
    """
    Score a value network on games that it was not trained on.

    Args:
        value: The network.
        samples: Positions of those games.

    Returns:
        Mean squared error of the network's win probability (Brier, 1950), and the error of the best constant
        prediction for comparison. 0 is perfect; always predicting 0.5 scores 0.25.
    """
    predicted = value.forward(samples.inputs)
    mean = samples.outcomes.mean()
    return float(((predicted - samples.outcomes) ** 2).mean()), float(mean * (1 - mean))
