"""Random play and search-based self-play of the card game; the self-play generates the training data."""

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

# The search plays up to GAMES_PER_CHUNK × 9 × rollouts random games at once, so this number limits its memory use.
GAMES_PER_CHUNK = 2_000
# The win rates of the squares of one position differ by 0.05 to 0.3. With a temperature of 0.08, the search clearly
# prefers the best square but sometimes plays another. A network represents such probabilities with small logits.
SEARCH_TEMPERATURE = 0.08


@dataclass(frozen=True, eq=False)
class Samples:
    """
    Positions from self-play with the training targets.

    Attributes:
        inputs: Features, shape (count, 81), float32.
        policies: The search's probability for each square, shape (count, 9), float64; rows sum to 1.
        outcomes: 1 if the player to move won the game, else 0, shape (count, 1), float64.
    """

    inputs: Float32Array
    policies: Float64Array
    outcomes: Float64Array

    def __len__(self) -> int:
        return len(self.inputs)

    @staticmethod
    def joined(parts: Iterable["Samples"]) -> "Samples":
        """Concatenate the samples of all parts."""
        inputs, policies, outcomes = zip(*((p.inputs, p.policies, p.outcomes) for p in parts), strict=True)
        return Samples(np.concatenate(inputs), np.concatenate(policies), np.concatenate(outcomes))


def random_squares(games: Games, rng: np.random.Generator) -> IndexArray:
    """Choose a random empty square in each game, shape (count,)."""
    draws = rng.random((len(games), SQUARES), dtype=np.float32)
    return np.asarray(np.where(legal_squares(games), draws, -1.0).argmax(axis=1))


def roll_out(games: Games, rng: np.random.Generator) -> Games:
    """Play games to the end on random squares. All games must have the same number of moves left."""
    while not finished(games).any():
        squares = random_squares(games, rng)
        games = play(games, squares, greediest_cards(games, squares))
    return games


def square_win_rates(games: Games, rollouts: int, rng: np.random.Generator) -> Float64Array:
    """
    Estimate how often a move on each empty square wins, by playing random games after it (flat Monte Carlo search).

    The search sees both hands. A network sees neither, so it learns the average over all hands.

    Args:
        games: Unfinished games with the same number of moves.
        rollouts: Random games per square.
        rng: Source of the random squares.

    Returns:
        Fraction of random games that the player to move won after a move on each square, shape (count, 9); -inf for
        squares that are not empty.
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
    Let the search play games against itself.

    Args:
        count: Number of games, each with 9 positions.
        rollouts: Random games per square in the search.
        rng: Source of deals, random games and moves.

    Yields:
        Samples of up to GAMES_PER_CHUNK games at a time.
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
    """Draw one column index for each row, with the probabilities given in that row (Gumbel-max trick)."""
    with np.errstate(divide="ignore"):
        return np.asarray((np.log(probabilities) + rng.gumbel(size=probabilities.shape)).argmax(axis=1))
