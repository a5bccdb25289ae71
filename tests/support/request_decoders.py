"""runoff's request decoders, each with valid messages and a reference decoder that uses only protobuf."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from runoff.models.mlp import Float32Array
from runoff.rpc import wire
from runoff.rpc.neural import request_codec
from runoff.rpc.neural.neural_pb2 import BatchPredictRequest, PredictRequest
from runoff.rpc.oip import codec, headers
from runoff.rpc.oip.inference_pb2 import ModelInferRequest
from tests.support.oip import infer_request

PREDICT = "neural.NeuralService/Predict"
BATCH_PREDICT = "neural.NeuralService/BatchPredict"
MODEL_INFER = "inference.GRPCInferenceService/ModelInfer"
# The model name that `runoff serve --untrained 5,7,3` uses by default.
MODEL_NAME = "untrained_5_7_3_policy"
_BATCH = np.random.default_rng(0).random((3, 5), dtype=np.float32)

# The content of a request as plain values, so that the results of two decoders can be compared.
Content = tuple[object, ...]


@dataclass(frozen=True)
class Decoder:
    """
    One of runoff's request decoders.

    Attributes:
        method: The gRPC method whose requests it decodes.
        decode: Returns a request's content; raises DecodeError if the bytes are no request.
        reference: The same function, implemented with protobuf's own parser.
        valid: Valid requests.
    """

    method: str
    decode: Callable[[bytes], Content]
    reference: Callable[[bytes], Content]
    valid: list[bytes]


def unpacked(sample: Float32Array) -> bytes:
    """Encode a sample as unpacked floats of field 1. Decoders must accept both unpacked and packed floats."""
    return b"".join(b"\x0d" + number.tobytes() for number in sample)


def _neural_content(request: request_codec.Request) -> Content:
    lengths = request.lengths if isinstance(request.lengths, list) else [request.lengths] * request.count
    # Leave out the values of samples of different lengths: the service refuses such requests, so values do not matter.
    samples = request.batch.tolist() if request.count and len(set(lengths)) == 1 else []
    return request.model_type, request.model_name, lengths, samples


def _predict_reference(message: bytes) -> Content:
    request = PredictRequest.FromString(message)
    return request.model_type, request.model_name, [len(request.features)], [list(request.features)]


def _batch_predict_reference(message: bytes) -> Content:
    request = BatchPredictRequest.FromString(message)
    samples = [list(sample.features) for sample in request.inputs]
    lengths = [len(sample) for sample in samples]
    return request.model_type, request.model_name, lengths, samples if len(set(lengths)) == 1 else []


def _infer_content(request: codec.InferMessage) -> Content:
    raw = [entry.tobytes() for entry in request.raw]
    # Leave out typed values beside raw ones: the service refuses requests with both, so the values do not matter.
    return request.header, raw, [] if raw else request.fp32.tolist()


def _infer_reference(message: bytes) -> Content:
    request = ModelInferRequest.FromString(message)
    contents = [field.name for field, _ in request.inputs[0].contents.ListFields()] if request.inputs else []
    fp32 = list(request.inputs[0].contents.fp32_contents) if contents[:1] == ["fp32_contents"] else []
    raw = list(request.raw_input_contents)
    return headers.read(request), raw, [] if raw else fp32


DECODERS = [
    Decoder(
        PREDICT,
        lambda message: _neural_content(request_codec.decode_predict(message)),
        _predict_reference,
        [
            request_codec.encode_predict(_BATCH[:1], "policy", ""),
            unpacked(_BATCH[0]) + wire.text_field(2, "policy"),
        ],
    ),
    Decoder(
        BATCH_PREDICT,
        lambda message: _neural_content(request_codec.decode_batch_predict(message)),
        _batch_predict_reference,
        [
            request_codec.encode_batch_predict(_BATCH, "policy", ""),
            request_codec.encode_batch_predict(np.zeros((4, 0), np.float32), "policy", MODEL_NAME),
            wire.text_field(2, "policy") + b"\x0a\x05\x0d\x00\x00\x80\x3f" * 3,
        ],
    ),
    Decoder(
        MODEL_INFER,
        lambda message: _infer_content(codec.decode_request(message)),
        _infer_reference,
        [
            codec.encode_request(MODEL_NAME, "", "input", "output", (3, 5), _BATCH),
            infer_request(_BATCH, MODEL_NAME, typed=True).SerializeToString(),
        ],
    ),
]
