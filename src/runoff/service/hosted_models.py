"""The models of a service, each opened on a backend of its own."""

import threading
from dataclasses import dataclass, field

import grpc
import numpy as np

from runoff.backends.base import Backend
from runoff.errors import ServiceError, quote
from runoff.models.mlp import Float32Array, Kind, Mlp
from runoff.service.stopwatch import Stopwatch

# Most runtimes treat a single sample differently from a batch, and kernels are vectorised well below 64 samples.
_WARM_UP_SIZES = (1, 2, 64)
_WARM_UP_CALLS = 20


class Refusal(ServiceError):
    """
    A call that the service rejects.

    Attributes:
        status: The gRPC status of the rejection.
    """

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
        Wait for the backend and run one forward pass, unless the client has given up the call.

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
            # Finite features can overflow float32 inside the model, and a client would take a NaN for the best move.
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the model's outputs for these features are not finite")
        return outputs


class HostedModels:
    """All models of a service, in the order of the command line."""

    def __init__(self, models: list[HostedModel]) -> None:
        self.models = models

    def find(self, model_type: str, model_name: str) -> HostedModel:
        """
        Return the model that a request names, or the first model of the requested type if it names none.

        Raises:
            Refusal: INVALID_ARGUMENT if the type does not exist, NOT_FOUND if no such model is loaded.
        """
        known = " or ".join(Kind)
        if model_type not in list(Kind):
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"model_type is {quote(model_type)}, expected {known}")
        of_type = [model for model in self.models if model.mlp.kind == model_type]
        for model in of_type:
            if model_name in ("", model.name):
                return model
        wanted = f"{model_type} model" + (f" named {quote(model_name)}" if model_name else "")
        loaded = ", ".join(f"{model.name} ({model.mlp.kind})" for model in self.models)
        raise Refusal(grpc.StatusCode.NOT_FOUND, f"no {wanted} is loaded; loaded: {quote(loaded, 300)}")


def refuse_abandoned(context: grpc.ServicerContext) -> None:
    """Raise Refusal if the client has cancelled the call or its deadline has passed."""
    remaining_s = context.time_remaining()
    if remaining_s is not None and remaining_s <= 0.0:
        raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed while the call waited")
    if not context.is_active():
        raise Refusal(grpc.StatusCode.CANCELLED, "the client cancelled the call while it waited")
