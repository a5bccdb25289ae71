"""
A minimal asyncio gRPC server for speed comparisons. Decoding, forward passes and encoding run in its event loop.

Run from the repository root: python -m benchmarks.asyncio_service ENGINE MODEL
"""

import asyncio
import sys
from pathlib import Path

import grpc

from runoff.backends.base import Settings
from runoff.models import go_json
from runoff.rpc.neural import request_codec, response_codec
from runoff.service import model_loading


async def serve(engine: str, model: Path) -> None:
    """Serve one model on a free port until the process is killed."""
    hosted = model_loading.open_models({model.stem: (go_json.read(model), False)}, engine, "cpu", Settings())[0]

    async def predict(message: bytes, _: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        request = request_codec.decode_predict(message)
        return response_codec.encode_predict(hosted.backend.predict(request.batch), hosted.mlp.kind)

    async def batch_predict(message: bytes, _: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        request = request_codec.decode_batch_predict(message)
        return response_codec.encode_batch_predict(hosted.backend.predict(request.batch), hosted.mlp.kind)

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handlers = {
        "Predict": grpc.unary_unary_rpc_method_handler(predict),
        "BatchPredict": grpc.unary_unary_rpc_method_handler(batch_predict),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("neural.NeuralService", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
