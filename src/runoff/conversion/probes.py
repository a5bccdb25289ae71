"""The samples every conversion is tried on, and how much float32 alone may change the answers to them."""

import functools

import numpy as np

from runoff.models.mlp import Float32Array, Float64Array, Kind, apply_head

# One, the smallest batch, a usual one and one that fills no vector register evenly.
BATCH_SIZES = (1, 2, 64, 257)
_SEED = 20_240_229


@functools.lru_cache(maxsize=4)
def probe_samples(input_size: int) -> Float32Array:
    """
    Return the samples every conversion is tried on, shape (sum of BATCH_SIZES, input_size); the same every time.

    In turn: 0/1 vectors as a game gives them, Gaussians, 0/1 vectors with few ones; and one row of zeros.
    """
    generator = np.random.default_rng(_SEED)
    count = sum(BATCH_SIZES)
    samples = (generator.random((count, input_size)) < 1 / 3).astype(np.float32)
    samples[1::3] = generator.standard_normal((len(samples[1::3]), input_size))
    samples[2::3] = generator.random((len(samples[2::3]), input_size)) < 0.05
    samples[2] = 0.0
    samples.setflags(write=False)
    return samples


def float32_shift(kind: Kind, logits: Float64Array, tolerance: Float64Array) -> float:
    """
    Bound how far an output may move if every logit moves by at most its tolerance.

    A probability is largest when its own logit is as high and all others are as low as allowed, and smallest the
    other way round; a sigmoid only rises. Unlike a bound by the steepest slope, this knows that a saturated answer
    hardly moves.

    Args:
        kind: Which head.
        logits: Shape (batch_size, output_size).
        tolerance: Largest error of each, same shape.

    Returns:
        The largest move of any output, 0 to 1.
    """
    outputs = apply_head(kind, logits)
    worst = 0.0
    for output in range(logits.shape[1]):
        own = np.arange(logits.shape[1]) == output
        for sign in (1.0, -1.0):
            moved = logits + sign * np.where(own, tolerance, -tolerance)
            shift = np.abs(apply_head(kind, moved)[:, output] - outputs[:, output])
            worst = max(worst, float(shift.max()))
    return worst
