"""Tests of the networks in fixtures/models and of the program that trained them, training.train_models."""

from pathlib import Path

import numpy as np
import pytest

from runoff.models import go_json
from runoff.models.mlp import Kind, Mlp
from training.rps_game import FEATURES, SQUARES
from training.self_play import Samples, self_play
from training.strength import beats_random, brier_scores
from training.train_models import MODELS, main

HIDDEN_SIZES = [64, 256]
TINY_TRAINING = ["--games=60", "--rollouts=2", "--epochs=1", "--hidden", "8"]


def committed(hidden_size: int, kind: Kind) -> Mlp:
    """Return one of the networks in fixtures/models."""
    return go_json.read(MODELS / f"rps_h{hidden_size}_{kind}.model")


def train_tiny(folder: Path, seed: int) -> dict[str, bytes]:
    """Train two tiny networks; return the contents of their files by file name."""
    assert main([*TINY_TRAINING, f"--seed={seed}", f"--output={folder}"]) == 0
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("hidden_size", HIDDEN_SIZES)
@pytest.mark.parametrize(("kind", "output_size"), [(Kind.POLICY, SQUARES), (Kind.VALUE, 1)])
def test_fixture_model_loads(hidden_size: int, kind: Kind, output_size: int) -> None:
    """A network's kind and hidden size must match its file name; its input and output sizes must match the game."""
    mlp = committed(hidden_size, kind)
    assert (kind, (FEATURES, hidden_size, output_size)) == (mlp.kind, mlp.sizes)


def test_fixture_models_are_exactly_these_and_small() -> None:
    """Case ids contain these file names, so the names must not change. Large files would slow down `git clone`."""
    sizes = {path.name: path.stat().st_size for path in MODELS.iterdir()}
    assert {f"rps_h{hidden}_{kind}.model" for hidden in HIDDEN_SIZES for kind in Kind} == set(sizes)
    assert max(sizes.values()) < 600_000


@pytest.mark.parametrize("hidden_size", HIDDEN_SIZES)
def test_fixture_policy_beats_random_squares(hidden_size: int) -> None:
    """
    Timing untrained networks would be unrealistic, so the committed policies must clearly beat a random player.

    Of 1,000 games, a random player wins 500 ± 16 (binomial). 650 is nine standard errors higher; the networks win
    about 750.
    """
    won = beats_random(committed(hidden_size, Kind.POLICY), 1_000, np.random.default_rng(2024))
    assert won.sum() > 650


@pytest.mark.parametrize("side", [0, 1], ids=["player-1", "player-2"])
def test_fixture_policy_beats_random_squares_as_either_player(side: int) -> None:
    """
    The rules favour player 1, so winning as player 1 alone would not show that a policy has skill.

    A random player wins about 640 of 1,000 games as player 1 and 360 as player 2, ± 15. The limits are five standard
    errors higher.
    """
    won = beats_random(committed(64, Kind.POLICY), 2_000, np.random.default_rng(2025))[side::2]
    assert won.sum() > (720, 440)[side]


@pytest.fixture(scope="module")
def held_out() -> Samples:
    """Return 4,500 positions from games that were not used for training."""
    return Samples.joined(self_play(500, 8, np.random.default_rng(2026)))


@pytest.mark.parametrize("hidden_size", HIDDEN_SIZES)
def test_fixture_value_predicts_outcomes(hidden_size: int, held_out: Samples) -> None:
    """Predicting one win rate for all positions gives a squared error of about 0.25. Value networks must do better."""
    score, constant = brier_scores(committed(hidden_size, Kind.VALUE), held_out)
    assert score < 0.85 * constant


@pytest.mark.parametrize("hidden_size", HIDDEN_SIZES)
@pytest.mark.parametrize("kind", Kind)
def test_fixture_models_have_small_logits(hidden_size: int, kind: Kind, held_out: Samples) -> None:
    """float32 outputs are accurate only if the logits are small, so the committed networks must have small logits."""
    mlp = committed(hidden_size, kind)
    assert np.abs(mlp.logits(held_out.inputs)).max() < 20
    assert mlp.output_tolerance(held_out.inputs).max() < 1e-4


def test_training_with_one_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """If the same seed gave different files, nobody could tell whether a code change altered the training."""
    first, second = train_tiny(tmp_path / "first", seed=1), train_tiny(tmp_path / "second", seed=1)
    assert sorted(first) == ["rps_h8_policy.model", "rps_h8_value.model"]
    assert first == second


def test_training_with_another_seed_gives_other_models(tmp_path: Path) -> None:
    """The --seed option must have an effect: different seeds must give different networks."""
    first, second = train_tiny(tmp_path / "first", seed=1), train_tiny(tmp_path / "second", seed=2)
    assert all(first[name] != second[name] for name in first)


def test_training_prints_a_line_per_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Users must see which files were written and how well each network plays."""
    names = train_tiny(tmp_path, seed=1)
    lines = capsys.readouterr().out.splitlines()
    assert [str(tmp_path / name) for name in sorted(names)] == [line.split(": ")[0] for line in lines]


def test_failed_write_keeps_the_old_model(tmp_path: Path) -> None:
    """If the disk becomes full while a model is written, the previous file must remain intact."""
    resource = pytest.importorskip("resource", reason="only Unix limits the size of a file")
    old = train_tiny(tmp_path, seed=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A tiny model's file has about 15 kB, so writing it fails if the operating system limits files to 10 kB.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            train_tiny(tmp_path, seed=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert old == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.parametrize("words", [["--games=0"], ["--seed=-1"], ["--hidden", "many"]])
def test_unusable_option_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake in the command line must be reported at once and not after hours of training."""
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert words[0].split("=")[0] in capsys.readouterr().err
