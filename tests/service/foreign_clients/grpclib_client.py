"""
Calls the service with grpclib and prints the responses as JSON.

Usage: python grpclib_client.py ADDRESS DESCRIPTOR_SET, in an environment without runoff and grpcio.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, json_format, message_factory
from grpclib.client import Channel, UnaryUnaryMethod  # type: ignore[import-not-found]
from grpclib.exceptions import GRPCError  # type: ignore[import-not-found]


class HealthMessage:
    """A health request or response as bytes, with the two methods that grpclib calls on a message."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        return self.content

    @staticmethod
    def FromString(content: bytes) -> "HealthMessage":  # noqa: N802 - protobuf's name
        return HealthMessage(content)


async def call(channel: Channel, method: str, request: Any, response_type: Any) -> Any:
    """Call a method. Return the response as plain Python values, or the status and message of the error."""
    try:
        response = await UnaryUnaryMethod(channel, method, type(request), response_type)(request, timeout=60)
    except GRPCError as error:
        return {"code": error.status.value, "details": error.message}
    if isinstance(response, HealthMessage):
        # The message has only one field, `status`: the first byte is the field's tag, the second byte is its value.
        return {"status": ["UNKNOWN", "SERVING"][response.content[1]]}
    return json_format.MessageToDict(
        response, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


async def call_all(address: str, descriptors: bytes) -> dict[str, Any]:
    """Call every method of the service. Then call Predict again, with a sample of the wrong length."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors).file
    types = message_factory.GetMessages(list(files))
    host, _, port = address.rpartition(":")
    sample, other = [0.1, 0.2, 0.3, 0.4, 0.5], [1, 0, -1, 0.5, 2]

    def make(name: str, **fields: Any) -> Any:
        return types[f"neural.{name}"](**fields)

    batch = make("BatchPredictRequest", inputs=[{"features": sample}, {"features": other}], model_type="policy")
    service_name = b"neural.NeuralService"
    calls = {
        "predict": ("Predict", make("PredictRequest", features=sample, model_type="policy"), "PredictResponse"),
        "batch": ("BatchPredict", batch, "BatchPredictResponse"),
        "info": ("GetModelInfo", make("ModelInfoRequest", model_type="policy"), "ModelInfoResponse"),
        "refused": ("Predict", make("PredictRequest", features=[1], model_type="policy"), "PredictResponse"),
    }
    async with Channel(host, int(port)) as channel:
        responses = {
            name: await call(channel, f"/neural.NeuralService/{method}", request, types[f"neural.{response}"])
            for name, (method, request, response) in calls.items()
        }
        request = HealthMessage(bytes((0x0A, len(service_name))) + service_name)
        responses["health"] = await call(channel, "/grpc.health.v1.Health/Check", request, HealthMessage)
    return responses


if __name__ == "__main__":
    print(json.dumps(asyncio.run(call_all(sys.argv[1], Path(sys.argv[2]).read_bytes()))))  # noqa: T201
