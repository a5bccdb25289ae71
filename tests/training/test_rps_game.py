"""The rules of the card game, tested one at a time."""

import numpy as np
import pytest

from training.rps_game import (
    NO_CARD,
    NOBODY,
    PAPER,
    PLAYER_1,
    PLAYER_2,
    ROCK,
    SCISSORS,
    Games,
    captures,
    features,
    finished,
    greediest_cards,
    legal_squares,
    play,
    start,
    winner,
)

KIND_OF_LETTER = {"r": ROCK, "p": PAPER, "s": SCISSORS}
CENTRE = 4


def draw(board: str, to_move: int = PLAYER_1, hand: str = "rrpps") -> Games:
    """Return a game from a drawing of its board: upper case for player 1, lower case for player 2, a dot for empty."""
    letters = board.replace(" ", "")
    cards = [KIND_OF_LETTER.get(letter.lower(), NO_CARD) for letter in letters]
    owners = [NOBODY if letter == "." else PLAYER_1 if letter.isupper() else PLAYER_2 for letter in letters]
    return Games(
        cards=np.array([cards], dtype=np.int8),
        owners=np.array([owners], dtype=np.int8),
        hands=np.array([[[hand.count(letter) for letter in "rps"]] * 2], dtype=np.int8),
        to_move=np.array([to_move], dtype=np.int8),
    )


def move(games: Games, card: int, square: int = CENTRE) -> Games:
    """Play one card in a single game; return the game after the move."""
    return play(games, np.array([square]), np.array([card]))


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        pytest.param(ROCK, "srp SR. rps", id="rock-takes-scissors"),
        pytest.param(PAPER, "sRp sP. rps", id="paper-takes-rock"),
        pytest.param(SCISSORS, "srp sS. rPs", id="scissors-takes-paper"),
    ],
)
def test_card_takes_the_adjacent_enemies_it_beats(card: int, expected: str) -> None:
    """A card captures only adjacent enemy cards that it beats, not diagonal, equal or stronger cards."""
    found, wanted = move(draw("srp s.. rps"), card), draw(expected)
    assert (wanted.owners.tolist(), wanted.cards.tolist()) == (found.owners.tolist(), found.cards.tolist())


@pytest.mark.parametrize(("to_move", "mine", "enemy"), [(PLAYER_1, "S", "s"), (PLAYER_2, "s", "S")])
def test_only_enemy_cards_are_taken(to_move: int, mine: str, enemy: str) -> None:
    """A card must not capture cards of its own player, even if it would beat them."""
    games = draw(f".{mine}. {enemy}.. ...", to_move)
    assert [[1, 0, 0]] == captures(games, np.array([CENTRE])).tolist()


def test_captures_do_not_reach_across_the_edge_of_a_row() -> None:
    """Squares 2 and 3 are neighbours in the array but not on the board, so a card on 3 must not capture one on 2."""
    assert draw("..s R.. ...").owners.tolist() == move(draw("..s ... ..."), ROCK, square=3).owners.tolist()


def test_taken_card_takes_nothing() -> None:
    """A captured card captures nothing: if a rock captures scissors, the paper beside the scissors keeps its owner."""
    assert draw("... RSp ...").owners.tolist() == move(draw("... .sp ..."), ROCK, square=3).owners.tolist()


def test_move_passes_the_turn_and_uses_the_card() -> None:
    """A played card must leave the hand of the player who moves, and only that hand."""
    games = move(draw(". . . . . . . . ."), SCISSORS)
    assert [PLAYER_2] == games.to_move.tolist()
    assert [[[2, 2, 0], [2, 2, 1]]] == games.hands.tolist()


def test_move_does_not_change_the_games_it_was_given() -> None:
    """The search tries many moves from the same position, so `play` must not modify the position."""
    games = draw(".s. ... ...")
    move(games, ROCK)
    assert draw(".s. ... ...").owners.tolist() == games.owners.tolist()
    assert [[[2, 2, 1]] * 2] == games.hands.tolist()


def test_occupied_square_is_refused() -> None:
    """A policy network may choose an occupied square. `play` must then raise an error instead of replacing the card."""
    with pytest.raises(ValueError, match="game 0: square 4 is not empty"):
        move(draw("... .s. ..."), ROCK)


def test_card_that_is_not_held_is_refused() -> None:
    """A player may play only cards that are still in the hand."""
    with pytest.raises(ValueError, match="game 0: card 2 is not in the hand"):
        move(draw("... ... ...", hand="rrrpp"), SCISSORS)


def test_deal_gives_five_cards_of_a_deck_with_seven_of_each_kind() -> None:
    """Both hands must come from one deck with seven cards of each kind, so that all kinds are equally likely."""
    hands = start(40_000, np.random.default_rng(0)).hands
    assert (hands.sum(axis=2) == 5).all()
    # The hands contain all seven cards of one kind in 3 of 1,000 deals, so 40,000 deals certainly include such hands. A
    # wrong deck with eight cards of each kind would be noticed, too: about 8 deals would contain eight of one kind.
    assert 7 == hands.sum(axis=1).max()
    # A hand of 5 cards has on average 5/3 cards of each kind; the standard error of the mean is about 0.005.
    assert np.abs(hands.mean(axis=0) - 5 / 3).max() < 0.03


@pytest.mark.parametrize(
    ("drawing", "expected", "over"),
    [
        pytest.param("RRRRR ssss", PLAYER_1, True, id="player-1-by-one"),
        pytest.param("RRRR sssss", PLAYER_2, True, id="player-2-by-one"),
        pytest.param("RRRR ssss.", NOBODY, False, id="level-before-the-end"),
    ],
)
def test_most_cards_on_a_full_board_win(drawing: str, expected: int, over: bool) -> None:
    """The game ends when the board is full, and the player who owns the most cards wins."""
    games = draw(drawing)
    assert ([expected], [over]) == (winner(games).tolist(), finished(games).tolist())


def test_empty_squares_are_legal() -> None:
    """A card can be played on any empty square. Squares are numbered row by row, starting from 0."""
    assert [0, 5, 7] == np.flatnonzero(legal_squares(draw(".Rp sS. r.P"))).tolist()


def test_greediest_card_captures_most_among_the_cards_held() -> None:
    """Scissors would capture two cards here and rock one, so rock must be chosen only if the hand has no scissors."""
    games = draw(".p. p.s ...", hand="rssss"), draw(".p. p.s ...", hand="rpppp")
    assert [[SCISSORS], [ROCK]] == [greediest_cards(game, np.array([CENTRE])).tolist() for game in games]


def test_greediest_card_is_the_commonest_when_captures_are_equal() -> None:
    """Of kinds with equal captures, play the kind with most copies in the hand; then prefer rock, paper, scissors."""
    games = draw("... ... ...", hand="rppss"), draw("... ... ...", hand="rsppr")
    assert [[PAPER], [ROCK]] == [greediest_cards(game, np.array([CENTRE])).tolist() for game in games]


@pytest.mark.parametrize(
    ("square", "expected"),
    [
        pytest.param(0, [1, 0, 0, 0, 1, 0, 0, 1, 0], id="rock-of-player-1"),
        pytest.param(1, [0, 1, 0, 0, 0, 1, 0, 1, 0], id="paper-of-player-2"),
        pytest.param(5, [0, 0, 1, 0, 1, 0, 0, 1, 0], id="scissors-of-player-1"),
        pytest.param(8, [0, 0, 0, 1, 0, 0, 0, 1, 0], id="empty"),
    ],
)
def test_features_of_a_square(square: int, expected: list[int]) -> None:
    """Networks trained by a Go-language program expect exactly this feature layout. Here, player 2 is to move."""
    seen = features(draw("Rp. ..S ...", PLAYER_2))
    assert expected == seen.reshape(9, 9)[square].tolist()


def test_every_square_encodes_the_player_to_move() -> None:
    """Every square, even an empty one, must encode the player to move in its last three features."""
    seen = features(draw("Rp. ..S ...", PLAYER_1)).reshape(9, 9)
    assert [[1, 0, 0]] * 9 == seen[:, 6:].tolist()


def test_features_are_a_batch_for_a_backend() -> None:
    """Backends accept only C-contiguous float32 arrays, so `features` must return such an array."""
    seen = features(start(3, np.random.default_rng(0)))
    assert ((3, 81), np.dtype(np.float32), True) == (seen.shape, seen.dtype, seen.flags.c_contiguous)
