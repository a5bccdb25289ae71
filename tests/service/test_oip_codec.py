"""The Open Inference codec against protobuf itself: what one writes the other reads."""

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from runoff.models.mlp import Float32Array
from runoff.rpc.oip import codec, headers, inference_pb2
from runoff.rpc.oip.inference_pb2 import ModelInferRequest, ModelInferResponse
from tests.support.oip import infer_request, infer_response
from tests.support.protoc import run_protoc

PROTO = Path(inference_pb2.__file__).with_name("inference.proto")
SHAPES = [(1, 1), (1, 31), (1, 32), (3, 81), (64, 81), (2, 5000)]


def batch_of(shape: tuple[int, int]) -> Float32Array:
    return np.random.default_rng(1).standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_protobuf_reads_our_request(shape: tuple[int, int]) -> None:
    """A foreign server reads it with its own protobuf."""
    batch = batch_of(shape)
    wanted = infer_request(batch, "net")
    wanted.model_version = "3"
    wanted.outputs.add(name="output")
    found = codec.encode_request("net", "3", "input", "output", batch.shape, batch)
    assert wanted == ModelInferRequest.FromString(found)


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_protobuf_reads_our_reply(shape: tuple[int, int], typed: bool) -> None:
    """A foreign client reads it with its own protobuf."""
    outputs = batch_of(shape)
    request = headers.Header("net", "", "", ())
    found = codec.encode_response(request, "1", "output", outputs, typed=typed)
    assert infer_response(outputs, typed=typed) == ModelInferResponse.FromString(found)


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_our_decoder_reads_protobufs_request(shape: tuple[int, int], typed: bool) -> None:
    """Existing clients write it with their own protobuf."""
    batch = batch_of(shape)
    found = codec.decode_request(infer_request(batch, "net", typed=typed).SerializeToString())
    [tensor] = found.header.tensors
    assert ("net", "input", "FP32", shape) == (found.header.model_name, tensor.name, tensor.datatype, tensor.shape)
    content = found.fp32 if typed else codec.floats(found.raw[0])
    np.testing.assert_array_equal(batch.ravel(), content)


def test_numbers_of_a_raw_message_are_aligned_and_the_callers_own() -> None:
    """They lie at any offset of the message, where kernels read slowly or not at all, and the message is read-only."""
    batch = batch_of((3, 81))
    for length in range(4):
        message = infer_request(batch, "n" * length).SerializeToString()
        found = codec.floats(codec.decode_request(message).raw[0])
        assert found.flags.aligned
        assert found.flags.writeable


def test_headers_too_long_to_be_kept_are_read_all_the_same() -> None:
    """Somebody's names may have any length."""
    batch = batch_of((2, 5))
    found = codec.decode_request(infer_request(batch, "n" * 5000).SerializeToString())
    assert 5000 == len(found.header.model_name)
    np.testing.assert_array_equal(batch.ravel(), codec.floats(found.raw[0]))


def test_long_headers_are_not_kept() -> None:
    """A client that sends new ones of megabytes each time would fill the memory."""
    before = headers.read_request_header.cache_info().currsize
    codec.decode_request(infer_request(batch_of((2, 5)), "m" * 5000).SerializeToString())
    long_id = headers.Header("net", "", "i" * 5000, ())
    writes = headers._write_response_header.cache_info().currsize
    codec.encode_response(long_id, "1", "output", batch_of((2, 3)), typed=False)
    assert before == headers.read_request_header.cache_info().currsize
    assert writes == headers._write_response_header.cache_info().currsize


def test_compiled_contract_is_that_of_the_contract_file(tmp_path: Path) -> None:
    """A contract changed without its compiled form, or the other way round, is two contracts."""
    out = tmp_path / "descriptors"
    run_protoc(f"-I{PROTO.parent}", f"--descriptor_set_out={out}", f"--pyi_out={tmp_path}", PROTO.name)
    found = descriptor_pb2.FileDescriptorProto()
    inference_pb2.DESCRIPTOR.CopyToProto(found)
    assert [found] == descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    assert (tmp_path / "inference_pb2.pyi").read_text() == PROTO.with_name("inference_pb2.pyi").read_text()


def test_default_pool_stays_free_for_other_stubs() -> None:
    """Those of tritonclient and kserve go there, and protobuf takes a name once only."""
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("inference.ModelInferRequest")
