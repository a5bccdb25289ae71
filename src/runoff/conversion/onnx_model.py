"""A network in ONNX format, with its kind, its sizes, and its errors measured against the float64 reference."""

from dataclasses import dataclass

from runoff.models.accuracy import Accuracy
from runoff.models.mlp import Kind, Mlp

INPUT_NAME, OUTPUT_NAME, BATCH_NAME = "input", "output", "batch"


@dataclass(frozen=True)
class ParityReport:
    """
    The differences between a converted model's results in ONNX Runtime and the float64 reference.

    Attributes:
        outputs: Errors of the outputs. Their `allowed_error` bounds the effect of float32 rounding in any runtime.
        logits: Errors of the logits.
        sample_count: Number of samples compared.
    """

    outputs: Accuracy
    logits: Accuracy
    sample_count: int

    @property
    def fraction_of_allowed(self) -> float:
        """The largest ratio of the error of an output or logit to the error that float32 rounding allows; at most 1."""
        return max(self.outputs.fraction_of_allowed, self.logits.fraction_of_allowed)

    @property
    def warning(self) -> str | None:
        """A warning if float32 rounding may change the model's outputs noticeably, otherwise None."""
        if not self.outputs.ill_conditioned:
            return None
        return (
            f"float32 rounding may change a probability by up to {self.outputs.allowed_error:.2g} in any runtime"
            f" (measured here: {self.outputs.worst_error:.2g}), because the model's logits are too large for float32"
        )


@dataclass(frozen=True)
class OnnxModel:
    """
    A network in ONNX format.

    Attributes:
        onnx: The serialised model, without external data.
        input_size: Number of input values of one sample.
        output_size: Number of outputs of one sample.
        mlp: The network that was converted. None for a user's ONNX file, and for a conversion that was loaded from the
            cache.
        digest: Digest of the network; for a user's ONNX file, the SHA-256 of its bytes.
        accuracy: Errors found by the parity check; None for a user's ONNX file, which has no reference.
        kind: Kind of the network; None for a user's ONNX file.
        hidden_size: Number of hidden units; None for a user's ONNX file.
        fixed_batch_size: The only batch size that the model accepts; None if its batch dimension is dynamic.
    """

    onnx: bytes
    input_size: int
    output_size: int
    mlp: Mlp | None
    digest: str
    accuracy: ParityReport | None
    kind: Kind | None = None
    hidden_size: int | None = None
    fixed_batch_size: int | None = None

    @property
    def description(self) -> str:
        """The model's kind and sizes for messages, such as `policy 81→64→9` or `ONNX 81→9 (batch size 1 only)`."""
        if self.kind is not None:
            return f"{self.kind} {self.input_size}→{self.hidden_size}→{self.output_size}"
        only = "" if self.fixed_batch_size is None else f" (batch size {self.fixed_batch_size} only)"
        return f"ONNX {self.input_size}→{self.output_size}{only}"
