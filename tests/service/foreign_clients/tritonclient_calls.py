# mypy: ignore-errors
"""
Calls a server with tritonclient and prints the results as JSON.

Usage: python tritonclient_calls.py ADDRESS MODEL, in tritonclient's environment.
"""

import json
import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

address, model = sys.argv[1:]
batch = np.arange(10, dtype=np.float32).reshape(2, 5) / 10
client = triton.InferenceServerClient(address)


def infer(data, **options):
    """Send a batch as a raw tensor and return the result."""
    tensor = triton.InferInput("input", list(data.shape), "FP32")
    tensor.set_data_from_numpy(data)
    return client.infer(model, [tensor], **options)


def typed():
    """Send typed contents through the generated stubs, because tritonclient's own API sends only raw tensors."""
    import grpc

    request = service_pb2.ModelInferRequest(model_name=model)
    tensor = request.inputs.add(name="input", datatype="FP32", shape=batch.shape)
    tensor.contents.fp32_contents.extend(batch.ravel().tolist())
    with grpc.insecure_channel(address) as channel:
        response = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    return [len(response.raw_output_contents), np.reshape(response.outputs[0].contents.fp32_contents, (2, -1)).tolist()]


def refused():
    """Send samples of the wrong length. Return the status and the message of the error that the server sends."""
    try:
        infer(batch[:, :3].copy())
    except InferenceServerException as error:
        return [error.status(), error.message()]


metadata = client.get_model_metadata(model)
result = infer(batch, request_id="a7", outputs=[triton.InferRequestedOutput("output")])
found = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": client.is_model_ready(model),
    "model_ready_version": client.is_model_ready(model, "1"),
    "unknown_ready": client.is_model_ready("no such model"),
    "server": client.get_server_metadata().name,
    "shapes": [list(metadata.inputs[0].shape), list(metadata.outputs[0].shape)],
    "raw": result.as_numpy("output").tolist(),
    "id": result.get_response().id,
    "large": list(infer(np.zeros((100, 5), np.float32)).as_numpy("output").shape),
    "typed": typed(),
    "refused": refused(),
}
sys.stdout.write(json.dumps(found))
