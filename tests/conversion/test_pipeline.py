"""What a conversion gives: the network, its head, its names, the same bytes every time."""

import hashlib
import logging
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest

from runoff.conversion import DEFAULT_OPSET, convert, convert_file, export, graph, pipeline
from runoff.conversion.session import open_session
from runoff.errors import ConversionError, ModelError, UsageError
from runoff.models import accuracy, go_json_writer
from runoff.models.mlp import Kind
from tests.support.models import random_mlp

SIZES = [
    pytest.param(sizes, id="x".join(map(str, sizes)))
    for sizes in [(81, 64, 9), (81, 256, 9), (64, 128, 8), (1, 1, 1), (1, 7, 3), (5, 1, 3), (7, 7, 7), (3, 2, 5)]
]
KINDS = [pytest.param(kind, id=str(kind)) for kind in Kind]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_converted_model_answers_as_the_reference_does(kind: Kind, sizes: tuple[int, int, int]) -> None:
    """The point of a conversion; on samples and a batch size that its own parity check did not use."""
    mlp = random_mlp(kind, *sizes)
    batch = np.random.default_rng(1).normal(size=(17, sizes[0])).astype(np.float32)
    (found,) = open_session(convert(mlp).onnx).run(["output"], {"input": batch})
    accuracy.check("converted", mlp, batch, found)


# An export takes a second: one usual architecture, one of ones, one whose sizes are all the same.
@pytest.mark.parametrize("sizes", [size for size in SIZES if size.id in ("81x64x9", "1x1x1", "7x7x7")])
@pytest.mark.parametrize("kind", KINDS)
def test_shared_template_gives_the_bytes_of_an_export_of_its_own(kind: Kind, sizes: tuple[int, int, int]) -> None:
    """One export serves all sizes only because the exporter would have written just this for each."""
    mlp = random_mlp(kind, *sizes)
    exported = graph.template(export.export(kind, mlp.sizes, DEFAULT_OPSET))
    assert graph.serialise(graph.with_weights(exported, mlp)) == convert(mlp).onnx


def test_input_output_and_batch_have_their_names() -> None:
    """Runtimes and users address tensors by name, and tools show the batch dimension's."""
    model = onnx.load_from_string(convert(random_mlp()).onnx)
    (given,), (answer,) = model.graph.input, model.graph.output
    assert ("input", "output") == (given.name, answer.name)
    for value, size in ((given, 5), (answer, 3)):
        batch, features = value.type.tensor_type.shape.dim
        assert ("batch", size) == (batch.dim_param, features.dim_value)


def test_converted_model_is_valid_and_complete_in_itself() -> None:
    """A file beside which a second one must lie is easily lost."""
    model_bytes = convert(random_mlp()).onnx
    onnx.checker.check_model(model_bytes, full_check=True)
    model = onnx.ModelProto.FromString(model_bytes)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)


def test_weights_are_the_models_rounded_to_float32_and_nothing_else() -> None:
    """A template's own random weights must not survive in the file."""
    mlp = random_mlp()
    found = graph.weights_of(onnx.ModelProto.FromString(convert(mlp).onnx))
    for name, values in found.items():
        np.testing.assert_array_equal(getattr(mlp, name).astype(np.float32), values, strict=True)


@pytest.mark.parametrize("opset", [DEFAULT_OPSET, 20])
def test_opset_is_the_one_asked_for(opset: int) -> None:
    """An older runtime reads only older operator sets."""
    (entry,) = onnx.ModelProto.FromString(convert(random_mlp(), opset=opset).onnx).opset_import
    assert opset == entry.version


def test_opset_that_the_exporter_cannot_write_is_an_error() -> None:
    """Another opset than asked for would fail much later, in the user's runtime."""
    with pytest.raises(ConversionError, match="opset 5"):
        convert(random_mlp(), opset=5)


@pytest.mark.parametrize("opset", [0, -1])
def test_opset_that_is_no_positive_number_is_a_usage_error(opset: int) -> None:
    """A typing mistake is told before torch is imported."""
    with pytest.raises(UsageError, match="expected a positive number"):
        convert(random_mlp(), opset=opset)


def test_second_model_of_a_kind_needs_no_second_export() -> None:
    """An export takes a second; a folder of 294 models must not take 294 of them."""
    convert(random_mlp())
    before = pipeline._run_exporter.cache_info().misses
    convert(random_mlp(input_size=9, hidden_size=4, seed=1))
    assert before == pipeline._run_exporter.cache_info().misses


def test_another_process_writes_the_same_bytes() -> None:
    """Files can be compared and cached only if nothing of the process, its paths or hash seed is in them."""
    script = (
        "import hashlib; from runoff.conversion import convert; from tests.support.models import random_mlp;"
        "print(hashlib.sha256(convert(random_mlp()).onnx).hexdigest())"
    )
    root = Path(__file__).parents[2]
    shown = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert hashlib.sha256(convert(random_mlp()).onnx).hexdigest() == shown.stdout.strip()


def test_file_tells_nothing_about_the_machine_it_was_made_on() -> None:
    """The exporter's notes hold stack traces with the paths of whoever converted."""
    assert b"site-packages" not in convert(random_mlp()).onnx
    assert b".py" not in convert(random_mlp()).onnx


def test_export_is_silent(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """The exporter's chatter about its own insides would bury runoff's lines."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export.export(Kind.VALUE, (2, 3, 1), DEFAULT_OPSET)
    assert ("", "") == tuple(capfd.readouterr())
    assert [] == [record.message for record in caplog.records if record.levelno >= logging.WARNING]


def test_graph_with_sizes_inside_does_not_serve_other_sizes() -> None:
    """Should an exporter write a Reshape, say, each architecture needs an export of its own."""
    model = graph.template(export.export(Kind.POLICY, (5, 7, 3), DEFAULT_OPSET))
    assert graph.is_free_of_sizes(model)
    model.graph.node.append(onnx.helper.make_node("Transpose", ["a"], ["b"], perm=[1, 0]))
    assert not graph.is_free_of_sizes(model)
    del model.graph.node[-1]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([5, 7]), "shape"))
    assert not graph.is_free_of_sizes(model)


def test_model_says_what_it_is() -> None:
    """Messages and titles need one phrase for a conversion."""
    model = convert(random_mlp())
    assert "policy 5→7→3" == model.description
    assert (5, 3, None) == (model.input_size, model.output_size, model.fixed_batch_size)


def test_file_of_another_kind_than_asked_for_is_refused(tmp_path: Path) -> None:
    """A value network served as a policy answers nonsense."""
    path = tmp_path / "net.model"
    path.write_bytes(go_json_writer.encode(random_mlp(Kind.VALUE)))
    with pytest.raises(ModelError, match=r"net\.model: is a value network, expected a policy network"):
        convert_file(path, kind=Kind.POLICY)
