"""The models the suite carries: they load, they learned the game, and their script would make them again."""

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
    """Return one of the suite's models."""
    return go_json.read(MODELS / f"rps_h{hidden_size}_{kind}.model")


def train_tiny(folder: Path, seed: int) -> dict[str, bytes]:
    """Train two tiny networks; return their files' bytes by name."""
    assert main([*TINY_TRAINING, f"--seed={seed}", f"--output={folder}"]) == 0
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("hidden_size", HIDDEN_SIZES)
@pytest.mark.parametrize(("kind", "output_size"), [(Kind.POLICY, SQUARES), (Kind.VALUE, 1)])
def test_committed_model_loads(hidden_size: int, kind: Kind, output_size: int) -> None:
    """The names say what is in them, and the sizes are those of the game."""
    mlp = committed(hidden_size, kind)
    assert (kind, (FEATURES, hidden_size, output_size)) == (mlp.kind, mlp.sizes)


def test_committed_models_are_exactly_these_and_small() -> None:
    """Perf cases are named after the files, and a clone should stay small."""
    sizes = {path.name: path.stat().st_size for path in MODELS.iterdir()}
    assert {f"rps_h{hidden}_{kind}.model" for hidden in HIDDEN_SIZES for kind in Kind} == set(sizes)
    assert max(sizes.values()) < 600_000


@pytest.mark.parametrize("hidden_size", HIDDEN_SIZES)
def test_committed_policy_beats_random_squares(hidden_size: int) -> None:
    """
    A network that learned nothing would make the suite's parity checks easy and its models untypical.

    Among 1,000 games on both sides a player no better than random wins 500 ± 16 (binomial); 650 is nine standard
    errors above, and the models win about 750.
    """
    won = beats_random(committed(hidden_size, Kind.POLICY), 1_000, np.random.default_rng(2024))
    assert won.sum() > 650


@pytest.mark.parametrize("side", [0, 1], ids=["player-1", "player-2"])
def test_committed_policy_beats_random_squares_on_either_side(side: int) -> None:
    """
    Player 1 has an advantage, so a policy could win on one side by the rules alone.

    Random squares win about 640 of 1,000 games as player 1 and 360 as player 2, ± 15; 80 more are five standard errors.
    """
    won = beats_random(committed(64, Kind.POLICY), 2_000, np.random.default_rng(2025))[side::2]
    assert won.sum() > (720, 440)[side]


@pytest.fixture(scope="module")
def held_out() -> Samples:
    """4,500 positions of games that no model was trained on."""
    return Samples.joined(self_play(500, 8, np.random.default_rng(2026)))


@pytest.mark.parametrize("hidden_size", HIDDEN_SIZES)
def test_committed_value_foresees_outcomes(hidden_size: int, held_out: Samples) -> None:
    """Its squared error is clearly below that of the constant that suits these very games best (0.25)."""
    score, constant = brier_scores(committed(hidden_size, Kind.VALUE), held_out)
    assert score < 0.85 * constant


@pytest.mark.parametrize("hidden_size", HIDDEN_SIZES)
@pytest.mark.parametrize("kind", Kind)
def test_committed_models_are_healthy(hidden_size: int, kind: Kind, held_out: Samples) -> None:
    """Logits of a few units, so that float32 keeps their probabilities; the ill ones are tested elsewhere."""
    mlp = committed(hidden_size, kind)
    assert np.abs(mlp.logits(held_out.inputs)).max() < 20
    assert mlp.output_tolerance(held_out.inputs).max() < 1e-4


def test_training_with_one_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Whoever trains the models again on one machine can tell whether the script has changed."""
    first, second = train_tiny(tmp_path / "first", seed=1), train_tiny(tmp_path / "second", seed=1)
    assert sorted(first) == ["rps_h8_policy.model", "rps_h8_value.model"]
    assert first == second


def test_training_with_another_seed_gives_other_models(tmp_path: Path) -> None:
    """The seed is not ignored."""
    first, second = train_tiny(tmp_path / "first", seed=1), train_tiny(tmp_path / "second", seed=2)
    assert all(first[name] != second[name] for name in first)


def test_every_trained_model_has_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever trains sees which files were written and how good they are."""
    names = train_tiny(tmp_path, seed=1)
    lines = capsys.readouterr().out.splitlines()
    assert [str(tmp_path / name) for name in sorted(names)] == [line.split(": ")[0] for line in lines]


def test_failed_write_leaves_the_old_model_alone(tmp_path: Path) -> None:
    """A disk that fills while a model is written must not cost the model that was there."""
    resource = pytest.importorskip("resource", reason="only Unix limits the size of a file")
    old = train_tiny(tmp_path, seed=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A tiny model has 15 kB.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            train_tiny(tmp_path, seed=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert old == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.parametrize("words", [["--games=0"], ["--seed=-1"], ["--hidden", "many"]])
def test_useless_option_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong word costs one line, not a training run."""
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert words[0].split("=")[0] in capsys.readouterr().err
