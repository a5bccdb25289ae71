"""The parity check detects every kind of faulty conversion and accepts correct conversions."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest

from runoff.conversion import convert
from runoff.conversion.parity import check_outputs, verify
from runoff.conversion.probes import probe_samples
from runoff.errors import ParityError
from runoff.models.mlp import Kind, Mlp
from tests.support.graphs import edited, with_operator, with_tensor
from tests.support.models import random_mlp

Edit = Callable[[onnx.ModelProto], None]


def scale_logits(mlp: Mlp, factor: float) -> Mlp:
    return replace(mlp, weights_output=mlp.weights_output * factor, biases_output=mlp.biases_output * factor)


def saturated_value() -> Mlp:
    """Make a value network with logits of about a million, so that its output is always 1."""
    return replace(random_mlp(Kind.VALUE, 5, 5), biases_output=np.array([1e6]))


def untrained() -> Mlp:
    """Make a policy network whose logits are so small that all probabilities are almost equal."""
    return scale_logits(random_mlp(input_size=7, hidden_size=7, output_size=7), 1e-6)


MODELS = [
    pytest.param(random_mlp(input_size=7, hidden_size=7, output_size=7), id="policy"),
    pytest.param(scale_logits(random_mlp(input_size=7, hidden_size=7, output_size=7), 1e6), id="policy-huge-logits"),
    pytest.param(
        scale_logits(random_mlp(input_size=81, hidden_size=64, output_size=9), 1e6), id="policy-81-huge-logits"
    ),
    pytest.param(untrained(), id="policy-tiny-logits"),
    pytest.param(random_mlp(Kind.VALUE, 7, 7), id="value"),
    pytest.param(scale_logits(random_mlp(Kind.VALUE, 7, 7), 1e6), id="value-huge-logits"),
    pytest.param(saturated_value(), id="value-saturated"),
]


def swap_rows(values: np.ndarray) -> np.ndarray:
    values[[0, 1]] = values[[1, 0]]
    return values


def nudge_largest(values: np.ndarray) -> np.ndarray:
    at = np.unravel_index(int(np.abs(values).argmax()), values.shape)
    values[at] *= 1.001
    return values


def next_float(values: np.ndarray) -> np.ndarray:
    values.flat[-1] = np.nextafter(values.flat[-1], np.float32(np.inf))
    return values


WEIGHT_FAULTS = {
    "swapped-rows": with_tensor("hidden.weight", swap_rows),
    "weight-off-by-1e-3": with_tensor("hidden.weight", nudge_largest),
    "output-weight-off-by-1e-3": with_tensor("output.weight", nudge_largest),
    "transposed": with_tensor("hidden.weight", np.transpose),
    "last-bit": with_tensor("output.bias", next_float),
    "zeros": with_tensor("hidden.bias", np.zeros_like),
}


def check_outputs_of(mlp: Mlp, model_bytes: bytes) -> None:
    check_outputs(mlp, model_bytes, onnx.ModelProto.FromString(model_bytes))


@pytest.mark.parametrize("mlp", MODELS)
def test_correct_conversion_passes(mlp: Mlp) -> None:
    """If the parity check rejected correct conversions, runoff would be unusable."""
    assert verify(mlp, convert(mlp).onnx).fraction_of_allowed <= 1


@pytest.mark.parametrize("fault", [pytest.param(edit, id=name) for name, edit in WEIGHT_FAULTS.items()])
@pytest.mark.parametrize("mlp", MODELS)
def test_wrong_weight_is_caught(mlp: Mlp, fault: Edit) -> None:
    """One wrong weight among thousands hardly changes the outputs, so the check compares the weights themselves."""
    with pytest.raises(ParityError, match="in the graph"):
        verify(mlp, edited(convert(mlp).onnx, fault))


@pytest.mark.parametrize("fault", ["swapped-rows", "transposed", "zeros"])
@pytest.mark.parametrize("mlp", [model for model in MODELS if model.id not in ("value-saturated",)])
def test_wrong_layer_is_caught_by_the_outputs_alone(mlp: Mlp, fault: str) -> None:
    """A graph with correct weights may still compute wrong outputs, so the check must also compare the outputs."""
    if fault == "transposed" and mlp.input_size != mlp.hidden_size:
        fault = "swapped-rows"
    with pytest.raises(ParityError, match="times what float32 allows"):
        check_outputs_of(mlp, edited(convert(mlp).onnx, WEIGHT_FAULTS[fault]))


@pytest.mark.parametrize("mlp", [model for model in MODELS if "value" not in str(model.id)])
def test_log_softmax_instead_of_softmax_is_caught(mlp: Mlp) -> None:
    """An earlier converter for these models applied log-softmax instead of softmax, so the check must detect it."""
    with pytest.raises(ParityError, match="head applied to the same logits"):
        verify(mlp, edited(convert(mlp).onnx, with_operator("Softmax", "LogSoftmax")))


@pytest.mark.parametrize("mlp", [model for model in MODELS if "value" in str(model.id)])
def test_tanh_instead_of_sigmoid_is_caught(mlp: Mlp) -> None:
    """An earlier converter used tanh instead of sigmoid. Both give 1 for large logits, but the check must detect it."""
    with pytest.raises(ParityError, match="head applied to the same logits"):
        verify(mlp, edited(convert(mlp).onnx, with_operator("Sigmoid", "Tanh")))


def test_softmax_over_the_batch_is_caught() -> None:
    """A softmax over the wrong axis still gives plausible numbers between 0 and 1, but the check must detect it."""

    def edit(model: onnx.ModelProto) -> None:
        (node,) = [node for node in model.graph.node if node.op_type == "Softmax"]
        node.attribute[0].i = 0

    mlp = random_mlp()
    with pytest.raises(ParityError):
        verify(mlp, edited(convert(mlp).onnx, edit))


def test_missing_activation_is_caught() -> None:
    """A conversion without the ReLU gives a linear network with wrong outputs, which the check must detect."""
    mlp = random_mlp()
    with pytest.raises(ParityError, match="logit"):
        verify(mlp, edited(convert(mlp).onnx, with_operator("Relu", "Identity")))


def test_message_gives_the_position_of_the_worst_element() -> None:
    """To find the fault, a developer needs the position of the wrong value, its actual value and the expected value."""
    mlp = random_mlp()
    pattern = r"policy 5→7→3, batch size \d+, logits: sample \d+, output \d is \S+, expected"
    with pytest.raises(ParityError, match=pattern):
        check_outputs_of(mlp, edited(convert(mlp).onnx, WEIGHT_FAULTS["swapped-rows"]))


def test_model_that_overflows_float32_does_not_pass() -> None:
    """Each weight of this model fits into float32, but the outputs become NaN, so the check must reject the model."""
    mlp = random_mlp()
    mlp = replace(mlp, weights_hidden=mlp.weights_hidden * 1e30, weights_output=mlp.weights_output * 1e30)
    with pytest.raises(ParityError, match="times what float32 allows"):
        convert(mlp)


def test_network_of_zeros_passes() -> None:
    """If all weights are zero, the rounding errors and their bound are zero, but 0/0 must not make the check fail."""
    zero = random_mlp()
    zero = replace(zero, weights_hidden=zero.weights_hidden * 0, biases_hidden=zero.biases_hidden * 0)
    zero = replace(zero, biases_output=zero.biases_output * 0)
    assert 0 == verify(zero, convert(zero).onnx).logits.fraction_of_allowed


def test_ill_conditioned_model_gives_a_warning() -> None:
    """The user must be warned that no float32 runtime can reproduce the outputs of an ill-conditioned model."""
    mlp = scale_logits(random_mlp(), 1e7)
    undecided = mlp.weights_output.copy()
    undecided[1] = undecided[0]
    report = convert(replace(mlp, weights_output=undecided, biases_output=np.zeros(3))).accuracy
    assert report is not None
    assert report.warning is not None
    assert report.warning.startswith("float32 rounding may change a probability by up to 0.5 in any runtime")


def test_ordinary_model_gives_no_warning() -> None:
    """If the warning about float32 rounding appeared for every model, users would ignore it."""
    report = convert(random_mlp()).accuracy
    assert report is not None
    assert report.warning is None


def test_probe_samples_contain_zeros_and_binary_and_real_vectors() -> None:
    """Some faults affect only zero inputs, only 0/1 inputs or only real-valued inputs, so samples include all three."""
    samples = probe_samples(81)
    is_binary = ((samples == 0) | (samples == 1)).all(axis=1)
    assert (samples == 0).all(axis=1).any()
    assert 100 < is_binary.sum() < len(samples) - 100
