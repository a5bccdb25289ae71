"""
Makes the suite's own models: `python -m training.train_models`, from the repository's root.

A flat Monte Carlo search plays the card game against itself (`self_play`); a policy network learns which squares it
preferred, a value network whether the player to move won. The same seed gives the same bytes on the same machine;
another machine's BLAS may sum in another order.
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
JUDGED_GAMES, HELD_OUT_GAMES = 1_000, 500


def main(argv: Sequence[str] | None = None) -> int:
    """Train a policy and a value network of every size, write them, and print a line about each."""
    options = _parse(argv)
    options.output.mkdir(parents=True, exist_ok=True)
    # With more threads the BLAS may split a sum differently from run to run.
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
        description="Trains the suite's networks for the card game by self-play, and writes them as Go does.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--seed", type=_at_least(0), default=1, help="the same seed gives the same files on the same machine"
    )
    parser.add_argument("--games", type=_at_least(1), default=20_000, help="games of self-play, 9 positions each")
    parser.add_argument("--rollouts", type=_at_least(1), default=32, help="random games after each square tried")
    parser.add_argument("--epochs", type=_at_least(1), default=20, help="how often each position is learned from")
    parser.add_argument("--hidden", type=_at_least(1), nargs="+", default=[64, 256], help="sizes of the hidden layer")
    parser.add_argument("--output", type=Path, default=MODELS, help="folder for rps_h<hidden>_<kind>.model")
    return parser.parse_args(argv)


def _at_least(minimum: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < minimum:
            raise argparse.ArgumentTypeError(f"{text} found, {minimum} or more wanted")
        return int(text)

    return number


def _play(games: int, rollouts: int, rng: np.random.Generator) -> Samples:
    chunks = self_play(games, rollouts, rng)
    total = -(-games // GAMES_PER_CHUNK)
    return Samples.joined(tqdm(chunks, desc="self-play", total=total, unit="chunk", disable=None, leave=False))


def _train(name: str, kind: Kind, hidden_size: int, samples: Samples, options: argparse.Namespace) -> tuple[float, Mlp]:
    """Return the last epoch's loss and the network; every network draws from its own seed."""
    rng = np.random.default_rng([options.seed, 1, hidden_size, list(Kind).index(kind)])
    targets = samples.policies if kind is Kind.POLICY else samples.outcomes
    epochs = train(kind, hidden_size, samples.inputs, targets, epochs=options.epochs, rng=rng)
    *_, last = tqdm(epochs, desc=name, total=options.epochs, unit="epoch", disable=None, leave=False)
    return last


def _strength(mlp: Mlp, held_out: Samples, seed: int) -> str:
    if mlp.kind is Kind.POLICY:
        won = beats_random(mlp, JUDGED_GAMES, np.random.default_rng([seed, 2]))
        return f"wins {won.mean():.1%} of {JUDGED_GAMES} games against random squares"
    score, constant = brier_scores(mlp, held_out)
    return f"Brier score {score:.3f} on other games, the best constant's is {constant:.3f}"


if __name__ == "__main__":
    sys.exit(main())
