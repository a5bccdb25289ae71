"""Playing the card game: at random, and with a search whose games are training data."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from runoff.models.mlp import Float32Array, Float64Array
from training.rps_game import (
    SQUARES,
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

# At most 2,000 × 9 squares × roll-outs games are in memory at a time.
GAMES_PER_CHUNK = 2_000
# Win rates of the squares of one position differ by 0.05 to 0.3: at 0.08 the search's favourite is clearly
# preferred, the others are still visited, and the logits a network needs to say so stay at a few units.
SEARCH_TEMPERATURE = 0.08


@dataclass(frozen=True, eq=False)
class Samples:
    """
    Positions of self-play and what became of them.

    Attributes:
        inputs: Features, shape (count, 81), float32.
        policies: The search's probability of each square, shape (count, 9), float64; rows sum to 1.
        outcomes: 1 where the player to move won in the end, else 0, shape (count, 1), float64.
    """

    inputs: Float32Array
    policies: Float64Array
    outcomes: Float64Array

    def __len__(self) -> int:
        return len(self.inputs)

    @staticmethod
    def joined(parts: Iterable["Samples"]) -> "Samples":
        """Return the samples of all parts, in their order."""
        inputs, policies, outcomes = zip(*((p.inputs, p.policies, p.outcomes) for p in parts), strict=True)
        return Samples(np.concatenate(inputs), np.concatenate(policies), np.concatenate(outcomes))


def random_squares(games: Games, rng: np.random.Generator) -> IndexArray:
    """Return an empty square of each game, every one equally likely, shape (count,)."""
    draws = rng.random((len(games), SQUARES), dtype=np.float32)
    return np.asarray(np.where(legal_squares(games), draws, -1.0).argmax(axis=1))


def roll_out(games: Games, rng: np.random.Generator) -> Games:
    """Play games that are equally far to their ends, both sides on random squares."""
    while not finished(games).any():
        squares = random_squares(games, rng)
        games = play(games, squares, greediest_cards(games, squares))
    return games


def square_win_rates(games: Games, rollouts: int, rng: np.random.Generator) -> Float64Array:
    """
    Try every empty square of every game and play on at random: flat Monte Carlo search.

    Both hands are open to the search; a network that learns from it sees neither, so it learns the average.

    Args:
        games: Games that are equally far and not over.
        rollouts: How often each square is tried.
        rng: Where the random squares come from.

    Returns:
        How often the player to move won after each square, shape (count, 9); -inf where it is taken.
    """
    rows, squares = np.nonzero(legal_squares(games))
    tried = games[np.repeat(rows, rollouts)]
    movers = tried.to_move
    tried_squares = np.repeat(squares, rollouts)
    ended = roll_out(play(tried, tried_squares, greediest_cards(tried, tried_squares)), rng)
    rates = np.full((len(games), SQUARES), -np.inf)
    rates[rows, squares] = (winner(ended) == movers).reshape(-1, rollouts).mean(axis=1)
    return rates


def self_play(count: int, rollouts: int, rng: np.random.Generator) -> Iterator[Samples]:
    """
    Let the search play against itself.

    Args:
        count: How many games, 9 positions each.
        rollouts: How often the search tries each square.
        rng: Where deals, roll-outs and moves come from.

    Yields:
        The samples of up to GAMES_PER_CHUNK games.
    """
    for first in range(0, count, GAMES_PER_CHUNK):
        games = start(min(GAMES_PER_CHUNK, count - first), rng)
        positions, policies = [], []
        while not finished(games).any():
            scaled = square_win_rates(games, rollouts, rng) / SEARCH_TEMPERATURE
            preferences = np.exp(scaled - scaled.max(axis=1, keepdims=True))
            positions.append(games)
            policies.append(preferences / preferences.sum(axis=1, keepdims=True))
            squares = _draw(policies[-1], rng)
            games = play(games, squares, greediest_cards(games, squares))
        won = [position.to_move == winner(games) for position in positions]
        yield Samples(
            inputs=np.concatenate([features(position) for position in positions]),
            policies=np.concatenate(policies),
            outcomes=np.concatenate(won).astype(np.float64)[:, None],
        )


def _draw(probabilities: Float64Array, rng: np.random.Generator) -> IndexArray:
    """Draw one column per row with the given probabilities (the Gumbel-max trick); never one of probability 0."""
    with np.errstate(divide="ignore"):
        return np.asarray((np.log(probabilities) + rng.gumbel(size=probabilities.shape)).argmax(axis=1))
