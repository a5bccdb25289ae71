"""Small networks with seeded random weights, for tests."""

import numpy as np

from runoff.models.mlp import Kind, Mlp


def random_mlp(
    kind: Kind = Kind.POLICY, input_size: int = 5, hidden_size: int = 7, output_size: int = 3, seed: int = 0
) -> Mlp:
    """
    Make a network of the given sizes, whose weights are drawn from the standard normal distribution.

    Args:
        kind: Kind of the network; a value network has one output, whatever output_size is.
        input_size: Features of one sample.
        hidden_size: Hidden units.
        output_size: Outputs of a policy.
        seed: Seed of the random weights.
    """
    rng = np.random.default_rng(seed)
    outputs = 1 if kind is Kind.VALUE else output_size
    return Mlp(
        kind=kind,
        weights_hidden=rng.normal(size=(hidden_size, input_size)),
        biases_hidden=rng.normal(size=hidden_size),
        weights_output=rng.normal(size=(outputs, hidden_size)),
        biases_output=rng.normal(size=outputs),
    )
