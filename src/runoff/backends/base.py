"""The base class of all backends, which defines the methods and attributes that each backend must have."""

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
    A user's choices for an in-process backend.

    Attributes:
        threads: Number of threads of one forward pass.
        spinning: Whether idle worker threads spin, which makes calls faster but takes cores from other processes.
    """

    threads: int = 1
    spinning: bool = False


@dataclass
class Backend(ABC):
    """
    A model that can compute outputs, either loaded by a runtime in this process or served by a gRPC service.

    Attributes:
        name: The backend's name, as in `registry`.
        input_size: Features of one sample.
        output_size: Outputs of one sample.
        device: The device that actually runs the model, which the backend detects after loading it.
        facts: Facts to save in each record, such as framework, version, threads and spinning, as plain JSON values.
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
            Outputs, shape (batch_size, output_size), float32, in memory that no later call changes. The outputs of a
            policy are probabilities.

        Raises:
            ShapeError: If the batch has another shape or type.
            BackendUnavailable: If a service does not respond in time.
        """

    def profile(self, batch: Float32Array, calls: int) -> CallParts | None:  # noqa: ARG002 - unused by default
        """
        Call a service `calls` more times, and measure each part of a call. Raises the same errors as `predict`.

        Returns:
            The average time of each part. None if the model runs in process or its service reports no times.
        """
        return None

    def check_same_service(self) -> None:  # noqa: B027 - an in-process model cannot be replaced
        """
        Check that the service at this backend's address is the same one as when the backend was opened.

        Raises:
            ServiceError: If the service was restarted or replaced by a different one.
            BackendUnavailable: If the service no longer responds.
        """

    def close(self) -> None:  # noqa: B027 - most backends hold only memory
        """Release connections and memory. Calling this method twice is safe."""

    def check_batch(self, batch: Float32Array) -> None:
        """Raise ShapeError unless the batch is C-contiguous float32 with shape (batch_size ≥ 1, input_size)."""
        if batch.dtype != np.float32 or not batch.flags.c_contiguous:
            raise ShapeError(f"{self.name}: batch is {batch.dtype}, expected C-contiguous float32")
        if batch.ndim != 2 or batch.shape[1] != self.input_size or not len(batch):
            raise ShapeError(f"{self.name}: batch has shape {batch.shape}, expected (batch_size, {self.input_size})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
