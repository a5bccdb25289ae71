"""The float64 reference agrees with plain arithmetic, and its tolerances bound the errors of float32 computations."""

import hashlib
import itertools
import math
import struct
from dataclasses import replace

import numpy as np
import pytest

from runoff.errors import ModelError, ShapeError
from runoff.models.mlp import FLOAT32_EPS, FLOAT32_HEAD_FACTOR, Float32Array, Kind, Mlp, apply_head
from tests.support.models import random_mlp


def by_hand(mlp: Mlp, sample: list[float]) -> list[float]:
    """Compute a forward pass with plain Python loops, like the Go implementation."""
    hidden = [
        max(0.0, sum(w * x for w, x in zip(row, sample, strict=True)) + b)
        for row, b in zip(mlp.weights_hidden.tolist(), mlp.biases_hidden.tolist(), strict=True)
    ]
    logits = [
        sum(w * h for w, h in zip(row, hidden, strict=True)) + b
        for row, b in zip(mlp.weights_output.tolist(), mlp.biases_output.tolist(), strict=True)
    ]
    if mlp.kind is Kind.VALUE:
        return [1 / (1 + math.exp(-logit)) for logit in logits]
    return [math.exp(logit) / sum(map(math.exp, logits)) for logit in logits]


def float32_forward(mlp: Mlp, batch: Float32Array) -> Float32Array:
    """Compute the logits in float32, as an inference runtime does."""
    hidden = np.maximum(batch @ mlp.weights_hidden.T.astype(np.float32) + mlp.biases_hidden.astype(np.float32), 0)
    return np.asarray(hidden @ mlp.weights_output.T.astype(np.float32) + mlp.biases_output.astype(np.float32))


@pytest.mark.parametrize("kind", [pytest.param(kind, id=str(kind)) for kind in Kind])
def test_forward_pass_agrees_with_the_go_code(kind: Kind) -> None:
    """Every conversion and backend is compared with this reference, so a mistake in it would invalidate all checks."""
    mlp = random_mlp(kind)
    batch = np.random.default_rng(2).normal(size=(4, 5))
    expected = [by_hand(mlp, sample) for sample in batch.tolist()]
    np.testing.assert_allclose(mlp.forward(batch), expected, rtol=1e-12)


def test_probabilities_sum_to_one() -> None:
    """A policy's outputs are probabilities."""
    sums = random_mlp().forward(np.random.default_rng(2).normal(size=(9, 5))).sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, rtol=1e-14)


@pytest.mark.parametrize("logit", [1e308, -1e308, 8e6, -8e6, 0.0])
@pytest.mark.parametrize("kind", [pytest.param(kind, id=str(kind)) for kind in Kind])
def test_head_does_not_overflow(kind: Kind, logit: float) -> None:
    """Real models have logits of up to eight million, so exp, which overflows at 710, must not be applied directly."""
    assert np.isfinite(apply_head(kind, np.array([[logit, 0.0, 1.0]]))).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("kind", [pytest.param(kind, id=str(kind)) for kind in Kind])
def test_errors_of_float32_logits_are_within_the_tolerance(kind: Kind, scale: float) -> None:
    """If the float32 tolerance were too small, correct backends would fail the accuracy check."""
    mlp = random_mlp(kind, 81, 64, 9)
    mlp = replace(mlp, weights_output=mlp.weights_output * scale)
    batch = np.random.default_rng(3).normal(size=(200, 81)).astype(np.float32)
    errors = np.abs(float32_forward(mlp, batch) - mlp.logits(batch))
    assert (errors <= mlp.logit_tolerance(batch)).all()


def test_tolerance_is_at_most_a_hundred_times_the_real_error() -> None:
    """If the float32 tolerance were far too large, wrong models would pass the accuracy check."""
    mlp = random_mlp(Kind.POLICY, 81, 64, 9)
    batch = np.random.default_rng(3).normal(size=(200, 81)).astype(np.float32)
    errors = np.abs(float32_forward(mlp, batch) - mlp.logits(batch))
    assert (errors / mlp.logit_tolerance(batch)).max() > 0.01


def test_tolerance_is_tiny_where_one_logit_is_far_above_the_rest() -> None:
    """If one logit is far above the rest, rounding cannot change the probabilities, so the tolerance must be tiny."""
    mlp = random_mlp()
    mlp = replace(mlp, weights_output=mlp.weights_output * 1e9)
    assert mlp.output_tolerance(np.ones((2, 5))).max() < 1e-6


@pytest.mark.parametrize("kind", list(Kind))
def test_output_tolerance_bounds_every_shift_of_the_logits(kind: Kind) -> None:
    """If every logit is within its tolerance, then every output must be within its own tolerance too."""
    mlp = random_mlp(kind)
    mlp = replace(mlp, weights_output=mlp.weights_output * 1e4)
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(50, 5))
    expected, tolerance = mlp.forward(batch), mlp.output_tolerance(batch)
    for _ in range(50):
        shift = mlp.logit_tolerance(batch) * rng.uniform(-1, 1, size=expected.shape)
        assert (np.abs(apply_head(kind, mlp.logits(batch) + shift) - expected) <= tolerance).all()


def test_output_tolerance_is_reached_by_a_shift_of_the_logits() -> None:
    """Messages show this tolerance as the possible effect of float32 rounding, so it must not exaggerate the effect."""
    mlp = random_mlp()
    mlp = replace(mlp, weights_output=mlp.weights_output * 1e4)
    batch = np.random.default_rng(0).normal(size=(1, 5))
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=3)))
    shifted = apply_head(mlp.kind, mlp.logits(batch) + signs * mlp.logit_tolerance(batch))
    largest_change = np.abs(shifted - mlp.forward(batch)).max(axis=0)
    head_error = FLOAT32_HEAD_FACTOR * FLOAT32_EPS
    np.testing.assert_allclose(mlp.output_tolerance(batch)[0] - head_error, largest_change, rtol=1e-9, atol=1e-15)


def test_output_tolerance_of_a_probability_is_at_most_about_one() -> None:
    """A probability cannot be wrong by more than 1, so its tolerance must be at most 1, even for a huge logit."""
    mlp = replace(random_mlp(Kind.VALUE), weights_output=np.full((1, 7), 1e30))
    assert mlp.output_tolerance(np.ones((1, 5))).max() <= 1.0 + 1e-6


def test_output_tolerance_is_large_where_huge_logits_are_equal() -> None:
    """If three huge logits are equal, rounding may make any output the largest, so the tolerance must be large."""
    mlp = replace(random_mlp(), weights_output=np.full((3, 7), 1e9), biases_output=np.zeros(3))
    assert mlp.output_tolerance(np.ones((1, 5))).max() == pytest.approx(2 / 3, abs=0.01)


def test_digest_changes_with_every_part() -> None:
    """The cache and the history identify networks by digest, so networks that differ must have different digests."""
    mlp = random_mlp(output_size=1)
    others = [
        replace(mlp, **{name: getattr(mlp, name) + np.spacing(1.0)})
        for name in ("weights_hidden", "biases_hidden", "weights_output", "biases_output")
    ]
    digests = {mlp.digest, replace(mlp, kind=Kind.VALUE).digest, *(other.digest for other in others)}
    assert 6 == len(digests)


def test_digest_never_changes() -> None:
    """Saved runs identify their models by digest, so a new digest formula would make old runs incomparable."""
    mlp = Mlp(Kind.VALUE, np.array([[1.0]]), np.array([2.0]), np.array([[3.0]]), np.array([4.0]))
    content = b"value:1,1,1:" + struct.pack("<4d", 1, 2, 3, 4)
    assert hashlib.sha256(content).hexdigest() == mlp.digest


def test_weights_cannot_be_changed() -> None:
    """The digest is computed once and cached, so the weights must be read-only, or the digest could become wrong."""
    with pytest.raises(ValueError, match="read-only"):
        random_mlp().weights_hidden[0, 0] = 1.0


def test_callers_array_is_copied() -> None:
    """Without a copy of the caller's array, the next training step would change a network that is already verified."""
    weights = np.ones((7, 5))
    mlp = replace(random_mlp(), weights_hidden=weights)
    weights[:] = 0
    assert 35 == mlp.weights_hidden.sum()


@pytest.mark.parametrize(
    "change",
    [
        {"weights_hidden": np.ones((7, 0))},
        {"weights_hidden": np.ones((6, 5))},
        {"weights_hidden": np.ones(7)},
        {"biases_hidden": np.ones((7, 1))},
        {"weights_output": np.ones((7, 3))},
        {"biases_output": np.ones(2)},
        {"biases_output": np.ones(())},
        {"kind": Kind.VALUE},
    ],
    ids=lambda change: "-".join(f"{key}-{np.shape(value)}" for key, value in change.items()),
)
def test_shapes_that_do_not_fit_are_rejected(change: dict[str, object]) -> None:
    """NumPy would broadcast weights of wrong shapes and compute meaningless outputs, so they must be rejected."""
    with pytest.raises(ModelError, match="expected"):
        replace(random_mlp(), **change)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("number", [math.nan, math.inf, 1e39])
def test_number_that_is_not_finite_as_float32_is_rejected(number: float) -> None:
    """All runtimes compute in float32, where a weight of 1e39 becomes infinity, so such a weight must be rejected."""
    with pytest.raises(ModelError, match="not finite as float32"):
        replace(random_mlp(), biases_hidden=np.full(7, number))


@pytest.mark.parametrize("shape", [(5,), (2, 4), (1, 2, 5)])
def test_batch_of_another_shape_is_rejected(shape: tuple[int, ...]) -> None:
    """NumPy would broadcast a batch of the wrong shape and compute meaningless outputs, so it must be rejected."""
    with pytest.raises(ShapeError, match="expected \\(batch_size, 5\\)"):
        random_mlp().forward(np.zeros(shape))


def test_description_is_kind_and_sizes() -> None:
    """Messages and table titles show the model's description, so it must contain the kind and the layer sizes."""
    assert ("policy 5→7→3", "value 5→7→1") == (random_mlp().description, random_mlp(Kind.VALUE).description)
