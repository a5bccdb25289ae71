"""
The rock-paper-scissors card game, many games at once, and the 81 features its networks see.

Two players take turns, player 1 first, on a 3×3 board whose squares 0–8 go row by row:

- A deck of 21 cards, 7 of each kind, is shuffled; each player gets 5. Hands are never refilled: 5 cards of player 1 and
  4 of player 2 fill the board, so the other 11 cards stay out of the game and player 2 keeps one.
- A move puts a card of one's hand on an empty square. It takes over every orthogonally adjacent enemy card that it
  beats; a taken card stays where it is and changes its owner. Nothing follows from a card that was taken.
- The game ends when the board is full, after 9 moves. That is in the fifth round: a limit of 10 never ends a game.
- Whoever owns most cards on the board wins. 9 cards cannot be shared equally: a finished game is never drawn.

A policy network names only a square. The card is then the one of the hand that takes most cards there
(`greediest_cards`), so that the square alone decides the move, whoever plays.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runoff.models.mlp import Float32Array

Int8Array = npt.NDArray[np.int8]
IndexArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

SQUARES = 9
FEATURES_PER_SQUARE = 9
FEATURES = SQUARES * FEATURES_PER_SQUARE
ROCK, PAPER, SCISSORS = range(3)
NO_CARD = -1
NOBODY, PLAYER_1, PLAYER_2 = range(3)
COPIES_IN_DECK = 7
HAND_SIZE = 5

# Row i holds True for the squares that share an edge with square i.
_ADJACENT: BoolArray = np.array(
    [[abs(i // 3 - j // 3) + abs(i % 3 - j % 3) == 1 for j in range(SQUARES)] for i in range(SQUARES)]
)
# What each kind beats: rock scissors, paper rock, scissors paper.
_BEATEN: Int8Array = np.array([SCISSORS, ROCK, PAPER], dtype=np.int8)


@dataclass(frozen=True, eq=False)
class Games:
    """
    The state of `count` games; they need not be equally far.

    Attributes:
        cards: Kind of card on each square, NO_CARD where empty, shape (count, 9).
        owners: Its owner, NOBODY where empty, shape (count, 9).
        hands: How many of each kind player 1 and player 2 hold, shape (count, 2, 3).
        to_move: Whose turn it is, PLAYER_1 or PLAYER_2, shape (count,).
    """

    cards: Int8Array
    owners: Int8Array
    hands: Int8Array
    to_move: Int8Array

    def __len__(self) -> int:
        return len(self.to_move)

    def __getitem__(self, which: IndexArray | BoolArray | slice) -> "Games":
        """Return the games of an index array (which may repeat one), a mask or a slice."""
        return Games(self.cards[which], self.owners[which], self.hands[which], self.to_move[which])

    @property
    def own_hands(self) -> Int8Array:
        """How many of each kind the player to move holds, shape (count, 3)."""
        return self.hands[np.arange(len(self)), self.to_move - 1]


def start(count: int, rng: np.random.Generator) -> Games:
    """Shuffle and deal `count` games."""
    deck = np.repeat(np.arange(3, dtype=np.int8), COPIES_IN_DECK)
    dealt = rng.permuted(np.tile(deck, (count, 1)), axis=1)[:, : 2 * HAND_SIZE].reshape(count, 2, HAND_SIZE)
    return Games(
        cards=np.full((count, SQUARES), NO_CARD, dtype=np.int8),
        owners=np.full((count, SQUARES), NOBODY, dtype=np.int8),
        hands=np.stack([(dealt == kind).sum(axis=2) for kind in range(3)], axis=2).astype(np.int8),
        to_move=np.full(count, PLAYER_1, dtype=np.int8),
    )


def legal_squares(games: Games) -> BoolArray:
    """Return which squares are empty, shape (count, 9)."""
    return np.asarray(games.owners == NOBODY)


def finished(games: Games) -> BoolArray:
    """Return which games are over, shape (count,)."""
    return np.asarray((games.owners != NOBODY).all(axis=1))


def captures(games: Games, squares: IndexArray) -> IndexArray:
    """
    Count the enemy cards that each kind of card would take.

    Args:
        games: The games.
        squares: Where the player to move would put the card, shape (count,).

    Returns:
        Number of cards taken by rock, paper and scissors there, in hand or not, shape (count, 3).
    """
    enemies = _ADJACENT[squares] & (games.owners == (3 - games.to_move)[:, None])
    return np.stack([(enemies & (games.cards == beaten)).sum(axis=1) for beaten in _BEATEN], axis=1)


def greediest_cards(games: Games, squares: IndexArray) -> IndexArray:
    """
    Return the card of the hand that takes most cards on a square.

    Of equally good ones it is the kind the hand holds most of, then rock before paper before scissors.

    Args:
        games: Games that are not over.
        squares: Where it is put, shape (count,).

    Returns:
        Its kind, shape (count,).
    """
    held = games.own_hands
    # A hand holds at most 5 of a kind, so one more capture always outweighs it.
    merit = captures(games, squares) * (HAND_SIZE + 1) + held
    return np.asarray(np.where(held > 0, merit, -1).argmax(axis=1))


def play(games: Games, squares: IndexArray, cards: IndexArray) -> Games:
    """
    Make one move in every game.

    Args:
        games: Games that are not over; left as they are.
        squares: Where the player to move puts a card, 0–8, shape (count,).
        cards: Which kind, shape (count,).

    Returns:
        The games after the move.

    Raises:
        ValueError: If a square is taken or a card is not in the hand; names the first such game.
    """
    rows = np.arange(len(games))
    _demand(legal_squares(games)[rows, squares], "the square {} is taken", squares)
    _demand(games.own_hands[rows, cards] > 0, "the card {} is not in the hand of the player to move", cards)
    # A beaten card of one's own is "taken" too, which changes nothing.
    taken = _ADJACENT[squares] & (games.cards == _BEATEN[cards][:, None])
    owners = np.where(taken, games.to_move[:, None], games.owners)
    owners[rows, squares] = games.to_move
    board, hands = games.cards.copy(), games.hands.copy()
    board[rows, squares] = cards
    hands[rows, games.to_move - 1, cards] -= 1
    return Games(board, owners, hands, (3 - games.to_move).astype(np.int8))


def _demand(allowed: BoolArray, complaint: str, chosen: IndexArray) -> None:
    if not allowed.all():
        game = int(allowed.argmin())
        raise ValueError(f"game {game}: {complaint.format(chosen[game])}")


def winner(games: Games) -> Int8Array:
    """Return who owns most cards on the board, NOBODY where it is equal (never at the end), shape (count,)."""
    ahead = (games.owners == PLAYER_1).sum(axis=1) - (games.owners == PLAYER_2).sum(axis=1)
    return np.select([ahead > 0, ahead < 0], [PLAYER_1, PLAYER_2], NOBODY).astype(np.int8)


def features(games: Games) -> Float32Array:
    """
    Return what a network sees of each game.

    Per square 9 numbers, 0 or 1: the card is rock, paper, scissors; its owner is nobody, player 1, player 2;
    player 1, player 2 is to move; one that is always 0. Hands are not seen.

    Args:
        games: The games.

    Returns:
        Inputs, shape (count, 81), C-contiguous float32.
    """
    seen = np.zeros((len(games), SQUARES, FEATURES_PER_SQUARE), dtype=np.float32)
    seen[:, :, 0:3] = games.cards[:, :, None] == np.arange(3)
    seen[:, :, 3:6] = games.owners[:, :, None] == np.arange(3)
    seen[:, :, 6:8] = (games.to_move[:, None] == np.array([PLAYER_1, PLAYER_2]))[:, None, :]
    return seen.reshape(len(games), FEATURES)
