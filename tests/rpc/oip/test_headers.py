"""Tests that only the first parts of a very long ModelInfer header are read."""

import pytest

from runoff.rpc.oip import codec
from tests.support.oip import infer_request
from tests.support.oip_requests import BATCH


@pytest.mark.parametrize("part", ["shape", "parameters", "requested"])
def test_only_the_first_dimensions_and_parameters_are_read(part: str) -> None:
    """A hostile message can have 100,000 dimensions or parameters, so reading all of them would take too long."""
    request = infer_request(BATCH)
    if part == "shape":
        request.inputs[0].shape.extend([1] * 1000)
    else:
        parameters = request.inputs[0].parameters if part == "parameters" else request.outputs.add().parameters
        for index in range(1000):
            parameters[str(index)].bool_param = True
    header = codec.decode_request(request.SerializeToString()).header
    [tensor] = header.requested if part == "requested" else header.tensors
    assert 16 == len(tensor.shape if part == "shape" else tensor.parameters)


@pytest.mark.parametrize("part", ["inputs", "outputs"])
def test_only_the_first_tensors_are_read(part: str) -> None:
    """A message of half a megabyte can hold 100,000 tensors, and creating Python objects for all would take seconds."""
    request = infer_request(BATCH)
    for _ in range(1000):
        getattr(request, part).add()
    header = codec.decode_request(request.SerializeToString()).header
    assert 16 == len(header.tensors if part == "inputs" else header.requested)
