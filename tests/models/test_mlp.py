"""The oracle: every backend and every conversion is held against it, so it is held against plain arithmetic here."""

import hashlib
import math
import struct
from dataclasses import replace

import numpy as np
import pytest

from runoff.errors import ModelError, ShapeError
from runoff.models.mlp import Float32Array, Kind, Mlp, apply_head
from tests.support.models import random_mlp


def by_hand(mlp: Mlp, sample: list[float]) -> list[float]:
    """The forward pass as the Go code has it, in loops."""
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
    """A plain float32 forward pass up to the logits, as a runtime does it."""
    hidden = np.maximum(batch @ mlp.weights_hidden.T.astype(np.float32) + mlp.biases_hidden.astype(np.float32), 0)
    return np.asarray(hidden @ mlp.weights_output.T.astype(np.float32) + mlp.biases_output.astype(np.float32))


@pytest.mark.parametrize("kind", [pytest.param(kind, id=str(kind)) for kind in Kind])
def test_forward_pass_is_the_trainers(kind: Kind) -> None:
    """If the reference is wrong, every verified conversion is."""
    mlp = random_mlp(kind)
    batch = np.random.default_rng(2).normal(size=(4, 5))
    wanted = [by_hand(mlp, sample) for sample in batch.tolist()]
    np.testing.assert_allclose(mlp.forward(batch), wanted, rtol=1e-12)


def test_probabilities_sum_to_one() -> None:
    """A policy's outputs are probabilities."""
    sums = random_mlp().forward(np.random.default_rng(2).normal(size=(9, 5))).sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, rtol=1e-14)


@pytest.mark.parametrize("logit", [1e308, -1e308, 8e6, -8e6, 0.0])
@pytest.mark.parametrize("kind", [pytest.param(kind, id=str(kind)) for kind in Kind])
def test_head_does_not_overflow(kind: Kind, logit: float) -> None:
    """Real logits reach eight million, where a plain exp is infinite and the quotient no number."""
    assert np.isfinite(apply_head(kind, np.array([[logit, 0.0, 1.0]]))).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("kind", [pytest.param(kind, id=str(kind)) for kind in Kind])
def test_float32_pass_lies_within_the_tolerance(kind: Kind, scale: float) -> None:
    """A bound that float32 breaks would fail right backends."""
    mlp = random_mlp(kind, 81, 64, 9)
    mlp = replace(mlp, weights_output=mlp.weights_output * scale)
    batch = np.random.default_rng(3).normal(size=(200, 81)).astype(np.float32)
    errors = np.abs(float32_forward(mlp, batch) - mlp.logits(batch))
    assert (errors <= mlp.logit_tolerance(batch)).all()


def test_tolerance_is_not_blind() -> None:
    """A bound a hundred times too wide passes wrong models; the real error is within a factor of a hundred."""
    mlp = random_mlp(Kind.POLICY, 81, 64, 9)
    batch = np.random.default_rng(3).normal(size=(200, 81)).astype(np.float32)
    errors = np.abs(float32_forward(mlp, batch) - mlp.logits(batch))
    assert (errors / mlp.logit_tolerance(batch)).max() > 0.01


def test_sure_answer_of_huge_logits_has_no_tolerance_to_speak_of() -> None:
    """Where one logit lies far above the rest, float32 cannot move the answer, so no other answer may pass."""
    mlp = random_mlp()
    mlp = replace(mlp, weights_output=mlp.weights_output * 1e9)
    assert mlp.output_tolerance(np.ones((2, 5))).max() < 1e-6


@pytest.mark.parametrize("kind", list(Kind))
def test_output_tolerance_holds_every_shift_of_the_logits(kind: Kind) -> None:
    """Whatever float32 does to each logit within its tolerance, the outputs stay within theirs."""
    mlp = random_mlp(kind)
    mlp = replace(mlp, weights_output=mlp.weights_output * 1e4)
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(50, 5))
    wanted, tolerance = mlp.forward(batch), mlp.output_tolerance(batch)
    for _ in range(50):
        shift = mlp.logit_tolerance(batch) * rng.uniform(-1, 1, size=wanted.shape)
        assert (np.abs(apply_head(kind, mlp.logits(batch) + shift) - wanted) <= tolerance).all()


def test_output_tolerance_is_about_one_where_nothing_is_sure() -> None:
    """Two equal logits of a billion: float32 may give either answer."""
    mlp = replace(random_mlp(), weights_output=np.full((3, 7), 1e9), biases_output=np.zeros(3))
    assert mlp.output_tolerance(np.ones((1, 5))).max() == pytest.approx(2 / 3, abs=0.01)


def test_digest_changes_with_every_part() -> None:
    """It keys the cache and the history: two networks of one digest would share both."""
    mlp = random_mlp(output_size=1)
    others = [
        replace(mlp, **{name: getattr(mlp, name) + np.spacing(1.0)})
        for name in ("weights_hidden", "biases_hidden", "weights_output", "biases_output")
    ]
    digests = {mlp.digest, replace(mlp, kind=Kind.VALUE).digest, *(other.digest for other in others)}
    assert 6 == len(digests)


def test_digest_is_fixed_for_all_time() -> None:
    """A changed digest makes every saved result's model unknown."""
    mlp = Mlp(Kind.VALUE, np.array([[1.0]]), np.array([2.0]), np.array([[3.0]]), np.array([4.0]))
    content = b"value:1,1,1:" + struct.pack("<4d", 1, 2, 3, 4)
    assert hashlib.sha256(content).hexdigest() == mlp.digest


def test_weights_cannot_be_changed() -> None:
    """The digest is computed once."""
    with pytest.raises(ValueError, match="read-only"):
        random_mlp().weights_hidden[0, 0] = 1.0


def test_callers_array_is_copied() -> None:
    """Otherwise the caller's next training step changes a verified network."""
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
def test_shapes_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    """Broadcasting would hide them."""
    with pytest.raises(ModelError, match="expected"):
        replace(random_mlp(), **change)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("number", [math.nan, math.inf, 1e39])
def test_number_that_is_not_finite_as_float32_is_refused(number: float) -> None:
    """Every runtime works in float32."""
    with pytest.raises(ModelError, match="not finite as float32"):
        replace(random_mlp(), biases_hidden=np.full(7, number))


@pytest.mark.parametrize("shape", [(5,), (2, 4), (1, 2, 5)])
def test_batch_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    """A wrong batch must not be broadcast into an answer."""
    with pytest.raises(ShapeError, match="expected \\(batch_size, 5\\)"):
        random_mlp().forward(np.zeros(shape))


def test_description_is_kind_and_sizes() -> None:
    """It stands in messages and titles."""
    assert ("policy 5→7→3", "value 5→7→1") == (random_mlp().description, random_mlp(Kind.VALUE).description)
