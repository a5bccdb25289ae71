"""
A stand-in for the service that runoff replaces: it runs `keras.Model.predict` for every call.

It is written as such services usually are: with protobuf objects for requests and responses, which are built number by
number, gRPC's default settings, and ten threads. It prints its address and ends when its standard input closes.
Run from the repository root: python -m benchmarks.original_service MODEL
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from runoff.models import go_json
from runoff.models.mlp import Float32Array, Kind, Mlp
from runoff.rpc.neural.neural_pb2 import (
    BatchPredictRequest,
    BatchPredictResponse,
    ModelInfoRequest,
    ModelInfoResponse,
    PredictRequest,
    PredictResponse,
)

ROOT = Path(__file__).parents[1]


class OriginalService:
    """Implements the methods of `neural.NeuralService` as the original service did."""

    def __init__(self, mlp: Mlp) -> None:
        self._mlp = mlp
        self._model = _keras_model(mlp)

    def predict(self, request: PredictRequest, _: grpc.ServicerContext) -> PredictResponse:
        features = np.array([request.features], dtype=np.float32)
        return self._response(self._model.predict(features, verbose=0)[0])

    def batch_predict(self, request: BatchPredictRequest, _: grpc.ServicerContext) -> BatchPredictResponse:
        features = np.array([list(sample.features) for sample in request.inputs], dtype=np.float32)
        outputs = self._model.predict(features, verbose=0)
        return BatchPredictResponse(outputs=[self._response(output) for output in outputs])

    def model_info(self, _request: ModelInfoRequest, _: grpc.ServicerContext) -> ModelInfoResponse:
        input_size, hidden_size, output_size = self._mlp.sizes
        return ModelInfoResponse(
            input_size=input_size,
            hidden_size=hidden_size,
            output_size=output_size,
            device="cpu",
            framework="tensorflow",
        )

    def _response(self, output: Float32Array) -> PredictResponse:
        if self._mlp.kind is Kind.VALUE:
            return PredictResponse(value=float(output[0]))
        return PredictResponse(probabilities=output.tolist(), best_move=int(np.argmax(output)))


def _keras_model(mlp: Mlp) -> Any:
    """Return the network as a Keras model, built from `Dense` layers as most users would."""
    import keras  # type: ignore[import-untyped]  # Keras has no types

    head = "softmax" if mlp.kind is Kind.POLICY else "sigmoid"
    model = keras.Sequential(
        [
            keras.layers.Input((mlp.input_size,)),
            keras.layers.Dense(mlp.hidden_size, activation="relu"),
            keras.layers.Dense(mlp.output_size, activation=head),
        ]
    )
    weights = (mlp.weights_hidden.T, mlp.biases_hidden, mlp.weights_output.T, mlp.biases_output)
    model.set_weights([np.ascontiguousarray(array, dtype=np.float32) for array in weights])
    return model


def _server(service: OriginalService) -> tuple[grpc.Server, int]:
    def handler(method: Any, request_type: Any) -> "grpc.RpcMethodHandler[Any, Any]":
        return grpc.unary_unary_rpc_method_handler(
            method, request_type.FromString, lambda response: response.SerializeToString()
        )

    handlers = {
        "Predict": handler(service.predict, PredictRequest),
        "BatchPredict": handler(service.batch_predict, BatchPredictRequest),
        "GetModelInfo": handler(service.model_info, ModelInfoRequest),
    }
    server = grpc.server(ThreadPoolExecutor(max_workers=10))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("neural.NeuralService", handlers),))
    return server, server.add_insecure_port("127.0.0.1:0")


@contextmanager
def original_service(model: Path) -> Iterator[str]:
    """Run the stand-in service in a separate process; yield its address."""
    command = [sys.executable, "-m", "benchmarks.original_service", str(model)]
    # The original service uses oneDNN, TensorFlow's default. Do not let it inherit the variable that disables oneDNN.
    environment = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    with subprocess.Popen(  # noqa: S603 - our own command
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise SystemExit("the stand-in did not start; run it alone to see why: " + " ".join(command[1:]))
            yield address
        finally:
            process.kill()


def main() -> None:
    """Serve one model until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a trained network as JSON")
    server, port = _server(OriginalService(go_json.read(parser.parse_args().model)))
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    server.stop(0)


if __name__ == "__main__":
    main()
