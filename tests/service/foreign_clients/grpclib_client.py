"""
Drives the service with grpclib, an HTTP/2 of its own in pure Python, and prints what it answered as JSON.

Usage: python grpclib_client.py ADDRESS DESCRIPTOR_SET; runs where runoff is not installed.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, json_format, message_factory
from grpclib.client import Channel, UnaryUnaryMethod  # type: ignore[import-not-found]
from grpclib.exceptions import GRPCError  # type: ignore[import-not-found]


class Health:
    """HealthCheckRequest and HealthCheckResponse, of one field each."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def SerializeToString(self) -> bytes:  # noqa: N802 - what grpclib's codec calls
        return self.content

    @staticmethod
    def FromString(content: bytes) -> "Health":  # noqa: N802 - what grpclib's codec calls
        return Health(content)


async def call(channel: Channel, method: str, request: Any, reply_type: Any) -> Any:
    """Return a reply as plain values, or the status with which it was refused."""
    try:
        reply = await UnaryUnaryMethod(channel, method, type(request), reply_type)(request, timeout=20)
    except GRPCError as error:
        return {"code": error.status.value, "details": error.message}
    if isinstance(reply, Health):
        return {"status": ["UNKNOWN", "SERVING"][reply.content[1]]}
    return json_format.MessageToDict(reply, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


async def drive(address: str, descriptors: bytes) -> dict[str, Any]:
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors).file
    types = message_factory.GetMessages(list(files))
    host, _, port = address.rpartition(":")
    sample, other = [0.1, 0.2, 0.3, 0.4, 0.5], [1, 0, -1, 0.5, 2]

    def make(name: str, **fields: Any) -> Any:
        return types[f"neural.{name}"](**fields)

    batch = make("BatchPredictRequest", inputs=[{"features": sample}, {"features": other}], model_type="policy")
    health = b"neural.NeuralService"
    calls = {
        "predict": ("Predict", make("PredictRequest", features=sample, model_type="policy"), "PredictResponse"),
        "batch": ("BatchPredict", batch, "BatchPredictResponse"),
        "info": ("GetModelInfo", make("ModelInfoRequest", model_type="policy"), "ModelInfoResponse"),
        "refused": ("Predict", make("PredictRequest", features=[1], model_type="policy"), "PredictResponse"),
    }
    async with Channel(host, int(port)) as channel:
        told = {
            name: await call(channel, f"/neural.NeuralService/{method}", request, types[f"neural.{reply}"])
            for name, (method, request, reply) in calls.items()
        }
        request = Health(bytes((0x0A, len(health))) + health)
        told["health"] = await call(channel, "/grpc.health.v1.Health/Check", request, Health)
    return told


if __name__ == "__main__":
    print(json.dumps(asyncio.run(drive(sys.argv[1], Path(sys.argv[2]).read_bytes()))))  # noqa: T201
