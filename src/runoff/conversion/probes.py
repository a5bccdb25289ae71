"""The input samples with which every converted model is checked."""

import functools

import numpy as np

from runoff.models.mlp import Float32Array

# The smallest batch size, a small one, a common one, and an odd one, which no SIMD vector width divides.
BATCH_SIZES = (1, 2, 64, 257)
_SEED = 20_240_229


@functools.lru_cache(maxsize=4)
def probe_samples(input_size: int) -> Float32Array:
    """
    Return the samples for a parity check, shape (sum(BATCH_SIZES), input_size). Every call returns the same samples.

    The rows are, in rotation, 0/1 vectors like those of a game, Gaussian vectors, and 0/1 vectors with few ones. One
    row is all zeros.
    """
    generator = np.random.default_rng(_SEED)
    count = sum(BATCH_SIZES)
    samples = (generator.random((count, input_size)) < 1 / 3).astype(np.float32)
    samples[1::3] = generator.standard_normal((len(samples[1::3]), input_size))
    samples[2::3] = generator.random((len(samples[2::3]), input_size)) < 0.05
    samples[2] = 0.0
    samples.setflags(write=False)
    return samples
