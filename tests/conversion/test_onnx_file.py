"""ONNX files from users are untrusted. If a file cannot be benchmarked, the error gives its name and the reason."""

import os
import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from runoff.conversion import convert, read_onnx
from runoff.conversion.onnx_file import MAX_ONNX_BYTES
from runoff.errors import ModelError
from tests.support.graphs import linear_model
from tests.support.models import random_mlp


def write(folder: Path, content: bytes | onnx.ModelProto, name: str = "net.onnx") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return path


def error_message(folder: Path, content: bytes | onnx.ModelProto, name: str = "net.onnx") -> str:
    """Return the message of the ModelError for a file. It must begin with the path and be a single short line."""
    with pytest.raises(ModelError) as caught:
        read_onnx(write(folder, content, name))
    message = str(caught.value)
    assert message.startswith(f"{folder / name}: ")
    assert len(message) < len(str(folder)) + 600
    assert "\n" not in message
    return message


def two_inputs() -> onnx.ModelProto:
    model = linear_model()
    model.graph.input.append(helper.make_tensor_value_info("x2", TensorProto.FLOAT, ["n", 3]))
    return model


def with_constant_node(tensor: TensorProto) -> onnx.ModelProto:
    model = linear_model()
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=tensor))
    return model


def in_subgraph(tensor: TensorProto) -> onnx.ModelProto:
    """Make a model with a tensor in a branch of an If node, where a check of the main graph alone would miss it."""
    branch = helper.make_graph([helper.make_node("Identity", ["t"], ["o"])], "b", [], [], [tensor])
    model = linear_model()
    model.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=branch, else_branch=branch))
    return model


def external(location: bool = True) -> TensorProto:
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[2])
    tensor.external_data.add(key="location", value="/etc/passwd")
    if location:
        tensor.data_location = TensorProto.EXTERNAL
    return tensor


def external_weight() -> onnx.ModelProto:
    model = linear_model()
    model.graph.initializer.append(external())
    return model


def unknown_feature_size(feature: str | None) -> onnx.ModelProto:
    return linear_model(input_shape=["n", feature])


def custom_operator() -> onnx.ModelProto:
    return linear_model(domain="com.example")


def nan_matrix() -> np.ndarray:
    return np.full((3, 2), np.nan, np.float32)


def broken_tensor() -> onnx.ModelProto:
    model = linear_model()
    model.graph.initializer[0].raw_data = b"123"
    return model


def sequence_input() -> onnx.ModelProto:
    model = linear_model()
    model.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, ["n", 3]))
    return model


def two_outputs() -> onnx.ModelProto:
    model = linear_model()
    model.graph.node.append(helper.make_node("Relu", ["y"], ["z"]))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 2]))
    return model


def fixed_batch_inside() -> onnx.ModelProto:
    """Make a model that declares a dynamic batch dimension but contains a Reshape that accepts only one sample."""
    model = linear_model()
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 3]), "shape"))
    model.graph.node.insert(0, helper.make_node("Reshape", ["x", "shape"], ["r"]))
    model.graph.node[1].input[0] = "r"
    return model


WHOLE = linear_model().SerializeToString()
REJECTED = {
    "empty": (b"", "is empty"),
    "truncated": (WHOLE[: len(WHOLE) * 2 // 3], "truncated"),
    "first-field-only": (WHOLE[:2], "truncated"),
    "html": (b"<!DOCTYPE html><html>404</html>", "is HTML"),
    "json": (b'{"inputSize": 5}', "runoff convert"),
    "noise": (bytes(range(7, 250)), "not an ONNX model"),
    "torch-zip": (b"PK\x03\x04" + bytes(100), "torch.save"),
    "pickle": (pickle.dumps({"a": 1}), "pickle"),
    "external-weight": (external_weight(), "external data"),
    "external-in-a-constant": (with_constant_node(external()), "external data"),
    "external-in-a-subgraph": (in_subgraph(external()), "external data"),
    "external-without-the-flag": (with_constant_node(external(location=False)), "external data"),
    "custom-operator": (custom_operator(), "custom domain 'com.example'"),
    "newer-opset": (linear_model(opset=999), "opset 999"),
    "newer-ir": (linear_model(ir_version=999), "IR version 999"),
    "no-ir": (linear_model(ir_version=0), "IR version 0"),
    "nan-weight": (linear_model(weights=nan_matrix()), "'w' contains nan at 0, expected finite"),
    "infinite-weight": (linear_model(weights=np.full((3, 2), np.inf, np.float32)), "'w' contains inf"),
    "nan-in-a-constant": (with_constant_node(numpy_helper.from_array(nan_matrix(), "k")), "'k' contains nan"),
    "broken-tensor": (broken_tensor(), "expected"),
    "two-inputs": (two_inputs(), "has 2 inputs ('x', 'x2'), expected one"),
    "two-outputs": (two_outputs(), "has 2 outputs, expected one"),
    "double-input": (linear_model(element_type=TensorProto.DOUBLE, weights=np.ones((3, 2))), "type DOUBLE"),
    "integer-input": (linear_model(element_type=TensorProto.INT32, weights=np.ones((3, 2), np.int32)), "type INT32"),
    "sequence-input": (sequence_input(), "sequence_type"),
    "symbolic-features": (unknown_feature_size("features"), "feature dimension 'features'"),
    "unknown-features": (unknown_feature_size(None), "feature dimension"),
    "three-dimensions": (linear_model(input_shape=["n", 4, 3], output_shape=["n", 4, 2]), "has 3 dimensions"),
    "wrong-features": (linear_model(input_shape=["n", 4]), "expected"),
    "static-inside": (fixed_batch_inside(), "cannot be run by ONNX Runtime"),
}


@pytest.mark.parametrize(("content", "reason"), [pytest.param(*case, id=name) for name, case in REJECTED.items()])
def test_unusable_file_is_rejected_with_its_reason(
    content: bytes | onnx.ModelProto, reason: str, tmp_path: Path
) -> None:
    """The error message for an unusable ONNX file must give its path and the fault in one line."""
    assert reason in error_message(tmp_path, content)


@pytest.mark.parametrize("name", ["net.pt", "net.PTH", "net.pkl", "net.ckpt"])
def test_pickle_is_rejected_by_its_name_before_it_is_read(name: str, tmp_path: Path) -> None:
    """Unpickling can run any code that the file's author put into it, so a pickle must not even be opened."""
    with pytest.raises(ModelError, match="can run code, so it is not opened"):
        read_onnx(tmp_path / name)


def test_pickle_with_an_onnx_suffix_is_not_unpickled(tmp_path: Path) -> None:
    """An attacker may name a pickle `net.onnx`. If the pickle in this test were unpickled, it would create a folder."""

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    for protocol in range(6):
        error_message(tmp_path, pickle.dumps(Trap(), protocol=protocol))
    assert not (tmp_path / "sprung").exists()


def test_file_over_the_size_limit_is_not_read(tmp_path: Path) -> None:
    """Reading a very large file would exhaust memory, so the file's size must be checked first."""
    path = tmp_path / "net.onnx"
    with path.open("wb") as file:
        file.truncate(MAX_ONNX_BYTES + 1)
    with pytest.raises(ModelError, match=f"expected at most {MAX_ONNX_BYTES}"):
        read_onnx(path)


def test_sizes_of_a_usable_file_are_returned(tmp_path: Path) -> None:
    """The benchmark generates inputs of the size stated in the ONNX file, so that size must be read correctly."""
    model = read_onnx(write(tmp_path, linear_model()))
    assert (3, 2, None) == (model.input_size, model.output_size, model.fixed_batch_size)
    assert "ONNX 3→2" == model.description
    assert model.mlp is None


def test_fixed_batch_size_is_returned_and_described(tmp_path: Path) -> None:
    """A model with a fixed batch dimension can be timed at that batch size only, so its description must show it."""
    model = read_onnx(write(tmp_path, linear_model(input_shape=[4, 3], output_shape=[4, 2])))
    assert 4 == model.fixed_batch_size
    assert "ONNX 3→2 (batch size 4 only)" == model.description


@pytest.mark.parametrize("batch", [None, "n"])
def test_unnamed_batch_dimension_is_dynamic_too(batch: str | None, tmp_path: Path) -> None:
    """Older exporters leave a dynamic batch dimension unnamed, so an unnamed dimension must not count as fixed."""
    assert read_onnx(write(tmp_path, linear_model(input_shape=[batch, 3]))).fixed_batch_size is None


def test_weights_listed_as_inputs_are_not_counted_as_inputs(tmp_path: Path) -> None:
    """ONNX files of IR version 3 list weights among the inputs, but only real inputs may be counted as inputs."""
    model = linear_model(ir_version=3, opset=8)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 2]))
    assert 3 == read_onnx(write(tmp_path, model)).input_size


def test_own_conversion_can_be_read_back(tmp_path: Path) -> None:
    """Users mostly benchmark ONNX files that runoff wrote itself, so runoff must be able to read them."""
    model = read_onnx(write(tmp_path, convert(random_mlp()).onnx))
    assert (5, 3) == (model.input_size, model.output_size)


def test_files_with_other_weights_have_other_digests(tmp_path: Path) -> None:
    """The history identifies ONNX files by digest, so files with different weights must have different digests."""
    first = read_onnx(write(tmp_path, linear_model(), "a.onnx"))
    second = read_onnx(write(tmp_path, linear_model(weights=np.zeros((3, 2), np.float32)), "b.onnx"))
    assert first.digest != second.digest
