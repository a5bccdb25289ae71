"""Compare the vectorised implementation of the card game with a slow reference that plays one game at a time."""

import random
from dataclasses import dataclass, field

import numpy as np

from training.rps_game import Games, features, finished, greediest_cards, play, start, winner
from training.self_play import random_squares

GAMES = 300


@dataclass
class SlowGame:
    """A slow reference implementation of the game in plain Python; each square is None or [kind, owner]."""

    hands: dict[int, list[str]]
    squares: list[list[str | int] | None] = field(default_factory=lambda: [None] * 9)
    mover: int = 1

    def neighbours(self, square: int) -> list[int]:
        row, column = divmod(square, 3)
        around = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
        return [3 * r + c for r, c in around if r in range(3) and c in range(3)]

    def taken(self, square: int, kind: str) -> list[int]:
        cards = ((n, self.squares[n]) for n in self.neighbours(square))
        beats = ("rock scissors", "paper rock", "scissors paper")
        return [n for n, card in cards if card and card[1] != self.mover and f"{kind} {card[0]}" in beats]

    def play(self, square: int, kind: str) -> None:
        assert self.squares[square] is None
        for neighbour in self.taken(square, kind):
            card = self.squares[neighbour]
            assert card is not None
            card[1] = self.mover
        self.squares[square] = [kind, self.mover]
        self.hands[self.mover].remove(kind)
        self.mover = 2 if self.mover == 1 else 1

    def winner(self) -> int:
        owners = [card[1] for card in self.squares if card]
        return 1 if owners.count(1) > owners.count(2) else 2

    def features(self) -> list[int]:
        numbers: list[int] = []
        for card in self.squares:
            kind, owner = card or ("none", 0)
            numbers += [int(kind == name) for name in KINDS] + [int(owner == player) for player in (0, 1, 2)]
            numbers += [int(self.mover == 1), int(self.mover == 2), 0]
        return numbers


KINDS = ("rock", "paper", "scissors")


def slow_copies(games: Games) -> list[SlowGame]:
    """Return copies of newly dealt games as objects of the reference implementation."""
    return [
        SlowGame({p + 1: [KINDS[kind] for kind in range(3) for _ in range(hand[p][kind])] for p in range(2)})
        for hand in games.hands.tolist()
    ]


def random_cards(slow: list[SlowGame], dice: random.Random) -> list[int]:
    """For each game, return a random card from the hand of the player to move."""
    return [KINDS.index(dice.choice(game.hands[game.mover])) for game in slow]


def test_random_games_equal_those_of_the_reference() -> None:
    """A wrongly implemented rule would change a position's features or the winner in at least one of 300 games."""
    rng, dice = np.random.default_rng(5), random.Random(5)  # noqa: S311 - dice, not secrets
    games = start(GAMES, rng)
    slow = slow_copies(games)
    for _ in range(9):
        assert [game.features() for game in slow] == features(games).tolist()
        squares, cards = random_squares(games, rng), random_cards(slow, dice)
        games = play(games, squares, np.array(cards))
        for game, square, card in zip(slow, squares.tolist(), cards, strict=True):
            game.play(square, KINDS[card])
    assert [game.winner() for game in slow] == winner(games).tolist()


def test_greediest_cards_equal_those_of_the_reference() -> None:
    """All players choose their cards with `greediest_cards`, so it is checked in every position of 300 games."""
    rng = np.random.default_rng(6)
    games = start(GAMES, rng)
    slow = slow_copies(games)
    while not finished(games).any():
        squares = random_squares(games, rng)
        cards = greediest_cards(games, squares)
        wanted = []
        for game, square in zip(slow, squares.tolist(), strict=True):
            hand = game.hands[game.mover]
            wanted.append(max(KINDS, key=lambda k: (k in hand, len(game.taken(square, k)), hand.count(k))))
            game.play(square, wanted[-1])
        assert wanted == [KINDS[card] for card in cards]
        games = play(games, squares, cards)


def test_hundred_thousand_positions_can_be_generated() -> None:
    """Training needs over 100,000 positions: 12,500 random games must end and give 9 positions each."""
    games = start(12_500, rng := np.random.default_rng(7))
    positions = 0
    while not finished(games).any():
        positions += len(features(games))
        squares = random_squares(games, rng)
        games = play(games, squares, greediest_cards(games, squares))
    assert 112_500 == positions
    assert finished(games).all()
