"""A converted model computes the same outputs as its network, and converting a network again gives the same bytes."""

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
from runoff.conversion.single_thread_session import open_single_thread_session
from runoff.errors import ConversionError, ModelError, UsageError
from runoff.models import accuracy, go_json_writer
from runoff.models.mlp import Kind
from tests.support.models import random_mlp
from tests.support.test_size import FULL_SIZE

SIZES = [
    pytest.param(sizes, id="x".join(map(str, sizes)))
    for sizes in [(81, 64, 9), (81, 256, 9), (64, 128, 8), (1, 1, 1), (1, 7, 3), (5, 1, 3), (7, 7, 7), (3, 2, 5)]
]
KINDS = [pytest.param(kind, id=str(kind)) for kind in Kind]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_converted_model_agrees_with_the_reference(kind: Kind, sizes: tuple[int, int, int]) -> None:
    """This test uses samples that the built-in parity check does not use, so it also detects faults of that check."""
    mlp = random_mlp(kind, *sizes)
    batch = np.random.default_rng(1).normal(size=(17, sizes[0])).astype(np.float32)
    (found,) = open_single_thread_session(convert(mlp).onnx).run(["output"], {"input": batch})
    accuracy.check("converted", mlp, batch, found)


# Each export takes a second, so only three architectures are tested, and only one unless FULL_SIZE is set.
EXPORTED = ("81x64x9", "1x1x1", "7x7x7") if FULL_SIZE else ("7x7x7",)


@pytest.mark.parametrize("sizes", [size for size in SIZES if size.id in EXPORTED])
@pytest.mark.parametrize("kind", KINDS)
def test_shared_template_gives_the_same_bytes_as_a_separate_export(kind: Kind, sizes: tuple[int, int, int]) -> None:
    """Networks of a kind share one exported graph, so a separate export of a network must give the same graph."""
    mlp = random_mlp(kind, *sizes)
    exported = graph.make_template(export.export(kind, mlp.sizes, DEFAULT_OPSET))
    assert graph.serialise(graph.with_weights(exported, mlp)) == convert(mlp).onnx


def test_names_of_input_output_and_batch_are_fixed() -> None:
    """User programs and tools refer to the tensors and the batch dimension by name, so the names must not change."""
    model = onnx.load_from_string(convert(random_mlp()).onnx)
    (model_input,), (model_output,) = model.graph.input, model.graph.output
    assert ("input", "output") == (model_input.name, model_output.name)
    for value, size in ((model_input, 5), (model_output, 3)):
        batch, features = value.type.tensor_type.shape.dim
        assert ("batch", size) == (batch.dim_param, features.dim_value)


def test_converted_model_is_valid_and_self_contained() -> None:
    """Users often copy only the .onnx file, so its weights must not be stored in a second file."""
    model_bytes = convert(random_mlp()).onnx
    onnx.checker.check_model(model_bytes, full_check=True)
    model = onnx.ModelProto.FromString(model_bytes)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)


def test_file_contains_only_the_networks_weights() -> None:
    """The exported template contains random weights, and all of them must be replaced by the network's weights."""
    mlp = random_mlp()
    found = graph.weights_of(onnx.ModelProto.FromString(convert(mlp).onnx))
    for name, values in found.items():
        np.testing.assert_array_equal(getattr(mlp, name).astype(np.float32), values, strict=True)


@pytest.mark.parametrize("opset", [DEFAULT_OPSET, 20])
def test_opset_is_the_one_asked_for(opset: int) -> None:
    """Older runtimes read only older operator sets."""
    (entry,) = onnx.ModelProto.FromString(convert(random_mlp(), opset=opset).onnx).opset_import
    assert opset == entry.version


def test_opset_that_the_exporter_cannot_write_is_an_error() -> None:
    """A file with an unsupported opset would fail later, in the user's runtime, so the converter must refuse it."""
    with pytest.raises(ConversionError, match="expected 5; choose another opset"):
        convert(random_mlp(), opset=5)


@pytest.mark.parametrize("opset", [0, -1])
def test_opset_that_is_no_positive_number_is_a_usage_error(opset: int) -> None:
    """Importing PyTorch takes seconds, so an invalid opset must be reported before the import."""
    with pytest.raises(UsageError, match="expected a positive number"):
        convert(random_mlp(), opset=opset)


def test_second_model_of_a_kind_needs_no_second_export() -> None:
    """Exporting each of 294 models separately would take five minutes, so networks of one kind share an export."""
    convert(random_mlp())
    before = pipeline._run_exporter.cache_info().misses
    convert(random_mlp(input_size=9, hidden_size=4, seed=1))
    assert before == pipeline._run_exporter.cache_info().misses


def test_another_process_writes_the_same_bytes() -> None:
    """Converted files can be compared and cached only if every process writes the same bytes for the same network."""
    script = (
        "import hashlib; from runoff.conversion import convert; from tests.support.models import random_mlp;"
        "print(hashlib.sha256(convert(random_mlp()).onnx).hexdigest())"
    )
    root = Path(__file__).parents[2]
    shown = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert hashlib.sha256(convert(random_mlp()).onnx).hexdigest() == shown.stdout.strip()


def test_file_contains_no_paths_of_the_machine_that_wrote_it() -> None:
    """The exporter's metadata contains paths of the user's machine, so it must be removed from the file."""
    assert b"site-packages" not in convert(random_mlp()).onnx
    assert b".py" not in convert(random_mlp()).onnx


def test_export_is_silent(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Log messages of the exporter would bury the lines that runoff prints, so they are suppressed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export.export(Kind.VALUE, (2, 3, 1), DEFAULT_OPSET)
    assert ("", "") == tuple(capfd.readouterr())
    assert [] == [record.message for record in caplog.records if record.levelno >= logging.WARNING]


def test_graph_that_depends_on_sizes_is_not_shared() -> None:
    """A Reshape to fixed sizes makes a graph valid for one architecture only, so the graph must not be shared."""
    model = graph.make_template(pipeline._run_exporter(Kind.POLICY, (5, 7, 3), DEFAULT_OPSET))
    assert graph.fits_all_sizes(model)
    model.graph.node.append(onnx.helper.make_node("Transpose", ["a"], ["b"], perm=[1, 0]))
    assert not graph.fits_all_sizes(model)
    del model.graph.node[-1]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([5, 7]), "shape"))
    assert not graph.fits_all_sizes(model)


def test_conversion_has_a_description_and_sizes() -> None:
    """Messages and table titles show a model's kind and layer sizes, so a converted model must provide both."""
    model = convert(random_mlp())
    assert "policy 5→7→3" == model.description
    assert (5, 3, None) == (model.input_size, model.output_size, model.fixed_batch_size)


def test_file_of_another_kind_is_rejected(tmp_path: Path) -> None:
    """A value network's output is meaningless where a policy is expected, so the wrong kind must be rejected."""
    path = tmp_path / "net.model"
    path.write_bytes(go_json_writer.encode(random_mlp(Kind.VALUE)))
    with pytest.raises(ModelError, match=r"net\.model: is a value network, expected a policy network"):
        convert_file(path, kind=Kind.POLICY)
