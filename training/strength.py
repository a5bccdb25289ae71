"""What a trained network is worth: games a policy wins, and how well a value foresees outcomes."""

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
    """Return the empty square that a policy network finds most probable, shape (count,)."""
    probabilities = policy.forward(features(games))
    return np.asarray(np.where(legal_squares(games), probabilities, -1.0).argmax(axis=1))


def beats_random(policy: Mlp, count: int, rng: np.random.Generator) -> BoolArray:
    """
    Let a policy network play against random squares, with the same rule for the cards, on both sides in turn.

    Args:
        policy: The network; it always takes its favourite empty square.
        count: How many games; it is player 1 in the first of every two.
        rng: Where deals and the other side's squares come from.

    Returns:
        Which games it won, shape (count,).
    """
    games = start(count, rng)
    sides = (np.arange(count) % 2 + 1).astype(np.int8)
    while not finished(games).any():
        squares = np.where(games.to_move == sides, policy_squares(games, policy), random_squares(games, rng))
        games = play(games, squares, greediest_cards(games, squares))
    return np.asarray(winner(games) == sides)


def brier_scores(value: Mlp, samples: Samples) -> tuple[float, float]:
    """
    Score a value network on games it has not learned from, beside the constant that suits them best.

    Args:
        value: The network.
        samples: The games' positions.

    Returns:
        Mean squared error of its win probability (Brier, 1950), and that of always answering the samples' own mean:
        0 is perfect, 0.25 what a fair coin deserves.
    """
    foreseen = value.forward(samples.inputs)
    mean = samples.outcomes.mean()
    return float(((foreseen - samples.outcomes) ** 2).mean()), float(mean * (1 - mean))
