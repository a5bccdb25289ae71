"""
The rock-paper-scissors card game: its rules, applied to many games at once, and its 81 input features.

Two players take turns on a 3×3 board; player 1 begins. The squares are numbered 0–8, row by row.

- A deck of 21 cards, 7 of each kind, is shuffled, and each player gets 5 cards. Hands are not refilled: 5 cards of
  player 1 and 4 cards of player 2 fill the board, player 2 keeps one card, and 11 cards are not used.
- In a move, a player puts a card from the hand on an empty square. The card captures every orthogonally adjacent
  enemy card that it beats. A captured card stays on its square and changes its owner. It does not capture other cards.
- The game ends after 9 moves, when the board is full. This takes 5 rounds, so a limit of 10 rounds is never reached.
- The player who owns more cards on the board wins. A draw is impossible because 9 is odd.

A policy network chooses only a square. The card is chosen by a fixed rule: the card that captures most cards on that
square (`greediest_cards`).
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

# _ADJACENT[i, j] is True if squares i and j share an edge.
_ADJACENT: BoolArray = np.array(
    [[abs(i // 3 - j // 3) + abs(i % 3 - j % 3) == 1 for j in range(SQUARES)] for i in range(SQUARES)]
)
# _BEATEN[kind] is the kind of card that `kind` beats: rock beats scissors, paper beats rock, scissors beat paper.
_BEATEN: Int8Array = np.array([SCISSORS, ROCK, PAPER], dtype=np.int8)


@dataclass(frozen=True, eq=False)
class Games:
    """
    The state of `count` games. The number of moves played may differ between the games.

    Attributes:
        cards: Kind of the card on each square, NO_CARD for an empty square, shape (count, 9).
        owners: Owner of the card on each square, NOBODY for an empty square, shape (count, 9).
        hands: Number of cards of each kind in the hands of player 1 and player 2, shape (count, 2, 3).
        to_move: The player whose turn it is, PLAYER_1 or PLAYER_2, shape (count,).
    """

    cards: Int8Array
    owners: Int8Array
    hands: Int8Array
    to_move: Int8Array

    def __len__(self) -> int:
        return len(self.to_move)

    def __getitem__(self, which: IndexArray | BoolArray | slice) -> "Games":
        """Select games by an index array, a mask or a slice. An index array may select a game more than once."""
        return Games(self.cards[which], self.owners[which], self.hands[which], self.to_move[which])

    @property
    def own_hands(self) -> Int8Array:
        """Number of rock, paper and scissors cards that the player to move holds, shape (count, 3)."""
        return self.hands[np.arange(len(self)), self.to_move - 1]


def start(count: int, rng: np.random.Generator) -> Games:
    """Start `count` games: shuffle a separate deck for each game and deal both hands."""
    deck = np.repeat(np.arange(3, dtype=np.int8), COPIES_IN_DECK)
    dealt = rng.permuted(np.tile(deck, (count, 1)), axis=1)[:, : 2 * HAND_SIZE].reshape(count, 2, HAND_SIZE)
    return Games(
        cards=np.full((count, SQUARES), NO_CARD, dtype=np.int8),
        owners=np.full((count, SQUARES), NOBODY, dtype=np.int8),
        hands=np.stack([(dealt == kind).sum(axis=2) for kind in range(3)], axis=2).astype(np.int8),
        to_move=np.full(count, PLAYER_1, dtype=np.int8),
    )


def legal_squares(games: Games) -> BoolArray:
    """Return a mask of the empty squares of each game, shape (count, 9)."""
    return np.asarray(games.owners == NOBODY)


def finished(games: Games) -> BoolArray:
    """Return which games are over, shape (count,)."""
    return np.asarray((games.owners != NOBODY).all(axis=1))


def captures(games: Games, squares: IndexArray) -> IndexArray:
    """
    For each kind of card, count the enemy cards that it would capture if it were put on a given square.

    Args:
        games: The games.
        squares: Square on which the player to move would put the card, shape (count,).

    Returns:
        Number of cards that rock, paper and scissors would capture, whether or not the hand contains them, shape
        (count, 3).
    """
    enemies = _ADJACENT[squares] & (games.owners == (3 - games.to_move)[:, None])
    return np.stack([(enemies & (games.cards == beaten)).sum(axis=1) for beaten in _BEATEN], axis=1)


def greediest_cards(games: Games, squares: IndexArray) -> IndexArray:
    """
    Return the card from the player's hand that captures the most cards on a given square.

    Ties are decided by the number of copies in the hand, then in the order rock, paper, scissors.

    Args:
        games: Unfinished games.
        squares: Square on which the card is put, shape (count,).

    Returns:
        Kind of the card, shape (count,).
    """
    held = games.own_hands
    # A player holds at most 5 copies of a kind. With a weight of 6, one more capture outweighs any number of copies.
    merit = captures(games, squares) * (HAND_SIZE + 1) + held
    return np.asarray(np.where(held > 0, merit, -1).argmax(axis=1))


def play(games: Games, squares: IndexArray, cards: IndexArray) -> Games:
    """
    Make one move in every game.

    Args:
        games: Unfinished games; they are not changed.
        squares: Square of each move, 0–8, shape (count,).
        cards: Kind of the card of each move, shape (count,).

    Returns:
        The games after the move.

    Raises:
        ValueError: If a square is not empty or a card is not in the hand; the message contains the first such game.
    """
    rows = np.arange(len(games))
    _demand(legal_squares(games)[rows, squares], "square {} is not empty", squares)
    _demand(games.own_hands[rows, cards] > 0, "card {} is not in the hand of the player to move", cards)
    # `taken` may also include cards that the player already owns. That is harmless: they keep the same owner.
    taken = _ADJACENT[squares] & (games.cards == _BEATEN[cards][:, None])
    owners = np.where(taken, games.to_move[:, None], games.owners)
    owners[rows, squares] = games.to_move
    board, hands = games.cards.copy(), games.hands.copy()
    board[rows, squares] = cards
    hands[rows, games.to_move - 1, cards] -= 1
    return Games(board, owners, hands, (3 - games.to_move).astype(np.int8))


def _demand(allowed: BoolArray, complaint: str, chosen: IndexArray) -> None:
    """Raise ValueError if a chosen square or card is not allowed; the message contains the first such game."""
    if not allowed.all():
        game = int(allowed.argmin())
        raise ValueError(f"game {game}: {complaint.format(chosen[game])}")


def winner(games: Games) -> Int8Array:
    """Return the player who owns more cards in each game, or NOBODY if both own equally many, shape (count,)."""
    ahead = (games.owners == PLAYER_1).sum(axis=1) - (games.owners == PLAYER_2).sum(axis=1)
    return np.select([ahead > 0, ahead < 0], [PLAYER_1, PLAYER_2], NOBODY).astype(np.int8)


def features(games: Games) -> Float32Array:
    """
    Return the input features of each game.

    Each square has 9 features, each 0 or 1. Three of them encode the card (rock, paper, scissors), three its owner
    (nobody, player 1, player 2), two the player to move (player 1, player 2), and the last one is always 0. Hands are
    not part of the features.

    Args:
        games: The games.

    Returns:
        Inputs, shape (count, 81), C-contiguous float32.
    """
    values = np.zeros((len(games), SQUARES, FEATURES_PER_SQUARE), dtype=np.float32)
    values[:, :, 0:3] = games.cards[:, :, None] == np.arange(3)
    values[:, :, 3:6] = games.owners[:, :, None] == np.arange(3)
    values[:, :, 6:8] = (games.to_move[:, None] == np.array([PLAYER_1, PLAYER_2]))[:, None, :]
    return values.reshape(len(games), FEATURES)
