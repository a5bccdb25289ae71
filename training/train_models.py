"""
The program that trains the networks in fixtures/models. Run `python -m training.train_models` in the repository root.

A flat Monte Carlo search plays the card game against itself. A policy network learns the search's preferences among the
squares. A value network learns to predict whether the player to move wins. The same seed gives identical files on the
same machine. On a different machine, the linear algebra library may add numbers in a different order.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from runoff.files.atomic_file import write_atomically
from runoff.models import go_json_writer
from runoff.models.mlp import Kind, Mlp
from training.mlp_training import train
from training.self_play import GAMES_PER_CHUNK, Samples, self_play
from training.strength import beats_random, brier_scores

MODELS = Path(__file__).parents[1] / "fixtures" / "models"
STRENGTH_GAMES, HELD_OUT_GAMES = 1_000, 500


def main(argv: Sequence[str] | None = None) -> int:
    """Train a policy and a value network for each hidden size, write each to a file, and print one line per file."""
    options = _parse(argv)
    options.output.mkdir(parents=True, exist_ok=True)
    # Use one thread, because with several threads the linear algebra library may add numbers in a different order in
    # each run, and the same seed would give different networks.
    with threadpool_limits(1):
        samples = _play(options.games, options.rollouts, np.random.default_rng([options.seed, 0]))
        held_out = _play(HELD_OUT_GAMES, options.rollouts, np.random.default_rng([options.seed, 3]))
        for hidden_size in options.hidden:
            for kind in Kind:
                path = options.output / f"rps_h{hidden_size}_{kind}.model"
                loss, mlp = _train(path.stem, kind, hidden_size, samples, options)
                content = go_json_writer.encode(mlp)
                write_atomically(path, content)
                facts = f"{mlp.description}, {len(content) / 1000:.0f} kB, cross-entropy {loss:.4f} nats"
                tqdm.write(f"{path}: {facts}, {_strength(mlp, held_out, options.seed)}")
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.train_models",
        description="Train policy and value networks for the card game by self-play and write them as JSON files.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--seed",
        type=_at_least(0),
        default=1,
        help="seed of all random numbers; the same seed gives identical files on the same machine",
    )
    parser.add_argument(
        "--games", type=_at_least(1), default=20_000, help="games of self-play to learn from, 9 positions each"
    )
    parser.add_argument("--rollouts", type=_at_least(1), default=32, help="random games per square in the search")
    parser.add_argument("--epochs", type=_at_least(1), default=20, help="passes over all positions")
    parser.add_argument(
        "--hidden",
        type=_at_least(1),
        nargs="+",
        default=[64, 256],
        help="sizes of the hidden layer; each gives a policy and a value network",
    )
    parser.add_argument("--output", type=Path, default=MODELS, help="folder for the files rps_h<hidden>_<kind>.model")
    return parser.parse_args(argv)


def _at_least(minimum: int) -> Callable[[str], int]:
    """Return a parser that accepts whole numbers of `minimum` or more."""

    def whole_number(text: str) -> int:
        if int(text) < minimum:
            raise argparse.ArgumentTypeError(f"{text}, expected {minimum} or more")
        return int(text)

    return whole_number


def _play(games: int, rollouts: int, rng: np.random.Generator) -> Samples:
    """Let the search play games against itself, show a progress bar, and return all samples."""
    chunks = self_play(games, rollouts, rng)
    total = -(-games // GAMES_PER_CHUNK)
    return Samples.joined(tqdm(chunks, desc="self-play", total=total, unit="chunk", disable=None, leave=False))


def _train(name: str, kind: Kind, hidden_size: int, samples: Samples, options: argparse.Namespace) -> tuple[float, Mlp]:
    """Train one network and show a progress bar. Return the mean loss of the last epoch and the trained network."""
    # Each network has its own random generator, so the result does not depend on the order in which networks are
    # trained.
    rng = np.random.default_rng([options.seed, 1, hidden_size, list(Kind).index(kind)])
    targets = samples.policies if kind is Kind.POLICY else samples.outcomes
    epochs = train(kind, hidden_size, samples.inputs, targets, epochs=options.epochs, rng=rng)
    *_, last = tqdm(epochs, desc=name, total=options.epochs, unit="epoch", disable=None, leave=False)
    return last


def _strength(mlp: Mlp, held_out: Samples, seed: int) -> str:
    """Describe the playing strength of a network in one phrase."""
    if mlp.kind is Kind.POLICY:
        won = beats_random(mlp, STRENGTH_GAMES, np.random.default_rng([seed, 2]))
        return f"wins {won.mean():.1%} of {STRENGTH_GAMES} games against random squares"
    score, constant = brier_scores(mlp, held_out)
    return f"Brier score {score:.3f} on games it was not trained on; the best constant prediction scores {constant:.3f}"


if __name__ == "__main__":
    sys.exit(main())
