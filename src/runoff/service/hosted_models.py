"""The state of a service: its models, each with its own backend, and its limits on batches and messages."""

import secrets
import threading
from dataclasses import dataclass, field

import grpc
import numpy as np

from runoff.backends.base import Backend
from runoff.errors import ServiceError
from runoff.models.mlp import Float32Array, Mlp
from runoff.service.stopwatch import Stopwatch

# Runtimes use different code for batches of one sample, of a few samples, and of enough samples for vector kernels.
_WARM_UP_SIZES = (1, 2, 64)
_WARM_UP_CALLS = 20


class Refusal(ServiceError):
    """Raised to reject a call. Contains the gRPC status and the message that the client gets."""

    def __init__(self, status: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class HostedModel:
    """
    One model on one backend.

    Attributes:
        name: The model's name in requests.
        mlp: The model.
        backend: The backend that runs the model.
        untrained: Whether the weights are random.
        lock: Held during `backend.predict`, because several backends reuse buffers between calls, and because two
            forward passes at once would share the threads that the settings grant to one.
    """

    name: str
    mlp: Mlp
    backend: Backend
    untrained: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def warm_up(self) -> None:
        """Run forward passes, so that the runtime allocates buffers and compiles kernels before the first call."""
        for batch_size in _WARM_UP_SIZES:
            batch = np.full((batch_size, self.mlp.input_size), 0.5, np.float32)
            for _ in range(_WARM_UP_CALLS):
                self.backend.predict(batch)

    def predict(self, batch: Float32Array, context: grpc.ServicerContext, stopwatch: Stopwatch) -> Float32Array:
        """
        Wait until the backend is free, then run one forward pass, unless the client has given up the call by then.

        Args:
            batch: Inputs, shape (batch_size, input_size), C-contiguous float32.
            context: The call, whose deadline limits the wait.
            stopwatch: The call's stopwatch, which records the parts "queue" and "compute".

        Returns:
            Outputs, shape (batch_size, output_size), float32.

        Raises:
            Refusal: If the call was cancelled, if its deadline passed during the wait, or if an output is not finite.
        """
        remaining_s = context.time_remaining()
        timeout_s = -1.0 if remaining_s is None else min(max(remaining_s, 0.0), threading.TIMEOUT_MAX)
        if not self.lock.acquire(timeout=timeout_s):
            raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed while the call waited")
        try:
            refuse_abandoned(context)
            stopwatch.lap()
            outputs = self.backend.predict(batch)
            stopwatch.lap()
        finally:
            self.lock.release()
        if not np.isfinite(outputs).all():
            # Even finite inputs can overflow inside the model. A client could mistake the resulting NaN for a score.
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the model's outputs for these features are not finite")
        return outputs


@dataclass
class ServiceState:
    """
    The models and limits of a service, shared by the request handlers of both protocols.

    Attributes:
        max_batch_size: Largest number of samples in a request.
        max_message_bytes: Largest request and response.
        nonce: A random string by which clients notice that another service has taken over the address.
        models: The models in the order of the command line; None while they are still being loaded.
    """

    max_batch_size: int
    max_message_bytes: int
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    models: list[HostedModel] | None = None

    def loaded_models(self) -> list[HostedModel]:
        """Return the models. Raise Refusal if they are still being loaded."""
        if self.models is None:
            raise Refusal(grpc.StatusCode.UNAVAILABLE, "the service is still loading its models")
        return self.models

    def check_batch_size(self, batch_size: int) -> None:
        """Raise Refusal if a batch has too many samples."""
        if batch_size > self.max_batch_size:
            message = f"the batch has {batch_size} samples, the limit is {self.max_batch_size}"
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message)

    def check_response_size(self, batch_size: int, response_bytes: int) -> None:
        """Raise Refusal if the response would be too large. This check precedes the forward pass."""
        if response_bytes > self.max_message_bytes:
            message = f"the response to {batch_size} samples would have {response_bytes} bytes"
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{message}, the limit is {self.max_message_bytes}")


def refuse_abandoned(context: grpc.ServicerContext) -> None:
    """Raise Refusal if the client has cancelled the call or its deadline has passed."""
    remaining_s = context.time_remaining()
    if remaining_s is not None and remaining_s <= 0.0:
        raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed while the call waited")
    if not context.is_active():
        raise Refusal(grpc.StatusCode.CANCELLED, "the client cancelled the call while it waited")
