"""The contract of a backend: a name, the device it really runs on, `predict`, `close`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from runoff.errors import ShapeError
from runoff.measurement.machine import Device
from runoff.models.mlp import Float32Array
from runoff.rpc.call_times import CallParts


@dataclass(frozen=True)
class Settings:
    """
    What a user may choose about an in-process backend.

    Attributes:
        threads: Threads one forward pass may use.
        spinning: Whether idle worker threads spin (faster alone, disturbing beside others).
    """

    threads: int = 1
    spinning: bool = False


@dataclass
class Backend(ABC):
    """
    One opened way of running one model.

    Attributes:
        name: The backend's name, as in `registry`.
        input_size: Features of one sample.
        output_size: Outputs of one sample.
        device: Where it really runs.
        facts: What belongs in a record: framework, version, threads, spinning; plain JSON values.
    """

    name: str
    input_size: int
    output_size: int
    device: Device
    facts: dict[str, str | int | float | bool] = field(default_factory=dict)

    @abstractmethod
    def predict(self, batch: Float32Array) -> Float32Array:
        """
        Run one forward pass.

        Args:
            batch: Inputs, shape (batch_size, input_size), C-contiguous float32.

        Returns:
            Outputs, shape (batch_size, output_size), float32, the caller's own; probabilities for a policy.

        Raises:
            ShapeError: If the batch is not of that shape and type.
            BackendUnavailable: If a service does not reply in time.
        """

    def profile(self, batch: Float32Array, calls: int) -> CallParts | None:  # noqa: ARG002 - the contract's signature
        """
        Take calls apart, outside of anything timed.

        Args:
            batch: As `predict`.
            calls: How many to make, after a few to warm up.

        Returns:
            The parts of a call through a service that tells its own; None otherwise, and always in process.

        Raises:
            RunoffError: As `predict`.
        """
        return None

    def check_same_service(self) -> None:  # noqa: B027 - in process there is nothing that could be replaced
        """
        Make sure that what answers is still what was opened.

        Raises:
            ServiceError: If a service was replaced by another.
            BackendUnavailable: If it does not answer any more.
        """

    def close(self) -> None:  # noqa: B027 - most backends hold nothing but memory
        """Let go of what the backend holds; a second call does nothing."""

    def check_batch(self, batch: Float32Array) -> None:
        """
        Hold a batch against the contract.

        Raises:
            ShapeError: If it is no C-contiguous float32 array of shape (batch_size ≥ 1, input_size).
        """
        if batch.dtype != np.float32 or not batch.flags.c_contiguous:
            raise ShapeError(f"{self.name}: batch is {batch.dtype}, expected C-contiguous float32")
        if batch.ndim != 2 or batch.shape[1] != self.input_size or not len(batch):
            raise ShapeError(f"{self.name}: batch has shape {batch.shape}, expected (batch_size, {self.input_size})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
