"""The models that a service answers for, each on a backend of its own."""

import threading
from dataclasses import dataclass, field

import grpc
import numpy as np

from runoff.backends.base import Backend
from runoff.errors import ServiceError, quote
from runoff.models.mlp import Float32Array, Kind, Mlp
from runoff.service.stopwatch import Stopwatch

# 1 goes another way than a batch in most runtimes, and 64 is past the sizes that kernels treat one by one.
_WARM_UP_SIZES = (1, 2, 64)
_WARM_UP_CALLS = 20


class Refusal(ServiceError):
    """A call that the service turns down; carries the gRPC status that says why."""

    def __init__(self, status: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class HostedModel:
    """
    One model on one backend.

    Attributes:
        name: How requests name it.
        mlp: The model.
        backend: What computes it.
        untrained: Whether its weights were made from a seed.
        lock: Held during `backend.predict`: several backends reuse buffers between calls, and two forward passes at
            once would share the threads that the settings give to one.
    """

    name: str
    mlp: Mlp
    backend: Backend
    untrained: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def warm_up(self) -> None:
        """Run forward passes until the runtime has allocated and compiled what it wants."""
        for batch_size in _WARM_UP_SIZES:
            batch = np.full((batch_size, self.mlp.input_size), 0.5, np.float32)
            for _ in range(_WARM_UP_CALLS):
                self.backend.predict(batch)

    def predict(self, batch: Float32Array, context: grpc.ServicerContext, watch: Stopwatch) -> Float32Array:
        """
        Run one forward pass for a call, when it is its turn, unless nobody waits for the answer any more.

        Args:
            batch: Inputs, shape (batch_size, input_size), C-contiguous float32.
            context: The call.
            watch: Of the call; gets the laps "queue" and "compute".

        Returns:
            Outputs, shape (batch_size, output_size).

        Raises:
            Refusal: If the call was cancelled, its deadline passed before its turn, or the answer is not finite.
        """
        remaining_s = context.time_remaining()
        timeout_s = -1.0 if remaining_s is None else min(max(remaining_s, 0.0), threading.TIMEOUT_MAX)
        if not self.lock.acquire(timeout=timeout_s):
            raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the call's turn")
        try:
            refuse_abandoned(context)
            watch.lap()
            outputs = self.backend.predict(batch)
            watch.lap()
        finally:
            self.lock.release()
        if not np.isfinite(outputs).all():
            # Finite features may still overflow float32 inside; a client would take NaN's index for the best move.
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the model's answer to these features is not finite")
        return outputs


class HostedModels:
    """The models of one service, in the order of loading."""

    def __init__(self, models: list[HostedModel]) -> None:
        self.models = models

    def find(self, model_type: str, model_name: str) -> HostedModel:
        """
        Return the model that a request means: the one named, or the first loaded of that type.

        Raises:
            Refusal: If the type is none (INVALID_ARGUMENT) or no such model is loaded (NOT_FOUND).
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
    """Raise Refusal if nobody waits for the call's answer: it was cancelled or its deadline passed."""
    remaining_s = context.time_remaining()
    if remaining_s is not None and remaining_s <= 0.0:
        raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the call's turn")
    if not context.is_active():
        raise Refusal(grpc.StatusCode.CANCELLED, "the call was cancelled before its turn")
