"""Tests that our codec for the Open Inference Protocol is compatible with protobuf."""

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from runoff.models.mlp import Float32Array
from runoff.rpc import wire
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
    """Third-party servers parse our requests with protobuf, so protobuf must accept them."""
    batch = batch_of(shape)
    expected = infer_request(batch, "net")
    expected.model_version = "3"
    expected.outputs.add(name="output")
    found = codec.encode_request("net", "3", "input", "output", batch.shape, batch)
    assert expected == ModelInferRequest.FromString(found)


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_protobuf_reads_our_response(shape: tuple[int, int], typed: bool) -> None:
    """Third-party clients parse our responses with protobuf, so protobuf must accept them."""
    outputs = batch_of(shape)
    request = headers.Header("net", "", "", ())
    found = codec.encode_response(request, "1", "output", outputs, typed=typed)
    assert infer_response(outputs, typed=typed) == ModelInferResponse.FromString(found)


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_our_decoder_reads_protobufs_request(shape: tuple[int, int], typed: bool) -> None:
    """Third-party clients write their requests with protobuf, so our decoder must read what protobuf writes."""
    batch = batch_of(shape)
    found = codec.decode_request(infer_request(batch, "net", typed=typed).SerializeToString())
    [tensor] = found.header.tensors
    assert ("net", "input", "FP32", shape) == (found.header.model_name, tensor.name, tensor.datatype, tensor.shape)
    content = found.fp32 if typed else wire.floats(found.raw[0])
    np.testing.assert_array_equal(batch.ravel(), content)


def test_numbers_of_a_raw_message_are_an_aligned_writable_copy() -> None:
    """The numbers may start at any byte of a message, so they must be copied: many kernels need aligned memory."""
    batch = batch_of((3, 81))
    for length in range(4):
        message = infer_request(batch, "n" * length).SerializeToString()
        found = wire.floats(codec.decode_request(message).raw[0])
        assert found.flags.aligned
        assert found.flags.writeable


def test_header_too_long_for_the_cache_is_read() -> None:
    """The protocol does not limit the length of names, so the decoder must read long ones without its cache."""
    batch = batch_of((2, 5))
    found = codec.decode_request(infer_request(batch, "n" * 5000).SerializeToString())
    assert 5000 == len(found.header.model_name)
    np.testing.assert_array_equal(batch.ravel(), wire.floats(found.raw[0]))


def test_long_headers_are_not_cached() -> None:
    """If long headers were cached, a client could exhaust the memory by sending a new long header in each request."""
    before = headers.read_request_header.cache_info().currsize
    codec.decode_request(infer_request(batch_of((2, 5)), "m" * 5000).SerializeToString())
    long_id = headers.Header("net", "", "i" * 5000, ())
    writes = headers.write_response_header.cache_info().currsize
    codec.encode_response(long_id, "1", "output", batch_of((2, 3)), typed=False)
    assert before == headers.read_request_header.cache_info().currsize
    assert writes == headers.write_response_header.cache_info().currsize


def test_generated_files_match_the_proto_file(tmp_path: Path) -> None:
    """runoff loads the generated files but users read inference.proto, so the two must not differ."""
    out = tmp_path / "descriptors"
    run_protoc(f"-I{PROTO.parent}", f"--descriptor_set_out={out}", f"--pyi_out={tmp_path}", PROTO.name)
    found = descriptor_pb2.FileDescriptorProto()
    inference_pb2.DESCRIPTOR.CopyToProto(found)
    assert [found] == descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    assert (tmp_path / "inference_pb2.pyi").read_text() == PROTO.with_name("inference_pb2.pyi").read_text()


def test_default_descriptor_pool_is_left_to_other_stubs() -> None:
    """tritonclient and kserve register messages of the same names in protobuf's default pool, so runoff must not."""
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("inference.ModelInferRequest")
