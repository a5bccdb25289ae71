"""What a conversion gives: the ONNX bytes, what they are a network of, and how near they came to the reference."""

from dataclasses import dataclass

from runoff.models.accuracy import ILL_CONDITIONED
from runoff.models.mlp import Kind, Mlp

INPUT_NAME, OUTPUT_NAME, BATCH_NAME = "input", "output", "batch"


@dataclass(frozen=True)
class ParityReport:
    """
    How near a converted model's answers in ONNX Runtime came to the float64 reference.

    Attributes:
        worst_error: Largest absolute error of an output.
        allowed_error: What float32 allows at most over the samples (Mlp.output_tolerance), at most 1.
        fraction_of_allowed: Largest quotient of an output's error and what is allowed there; at most 1.
        worst_logit_error: Largest absolute error of a logit.
        logit_fraction_of_allowed: As fraction_of_allowed, for the logits.
        float32_shift: Bound on how far float32 alone may move an output of the samples in any runtime; 0 to 1.
        sample_count: Samples compared.
    """

    worst_error: float
    allowed_error: float
    fraction_of_allowed: float
    worst_logit_error: float
    logit_fraction_of_allowed: float
    float32_shift: float
    sample_count: int

    @property
    def ill_conditioned(self) -> bool:
        """Whether float32 alone may move an answer of this model visibly."""
        return self.float32_shift > ILL_CONDITIONED

    @property
    def warning(self) -> str | None:
        """One sentence for the user of an ill-conditioned model, None for any other."""
        if not self.ill_conditioned:
            return None
        return (
            f"float32 alone may move a probability by up to {self.float32_shift:.2g}, in any runtime"
            f" (seen here: {self.worst_error:.2g}); the model's logits are too large for float32"
        )


@dataclass(frozen=True)
class OnnxModel:
    """
    A network as ONNX.

    Attributes:
        onnx: The serialised model; no external data.
        input_size: Features of one sample.
        output_size: Outputs of one sample.
        mlp: The network it was made from; None for a user's ONNX file and where `convert_file` found its
            answer in the cache without parsing the file.
        digest: The network's digest; SHA-256 of the bytes for a user's ONNX file.
        accuracy: The parity report; None for a user's ONNX file, which has no reference.
        kind: The network's kind; None for a user's ONNX file.
        hidden_size: The network's hidden units; None for a user's ONNX file.
        fixed_batch_size: The only batch size it takes, None where the batch dimension is dynamic.
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
        """One phrase for messages: `policy 81→64→9`, `ONNX 81→9`, `ONNX 81→9 (batch size 1 only)`."""
        if self.kind is not None:
            return f"{self.kind} {self.input_size}→{self.hidden_size}→{self.output_size}"
        only = "" if self.fixed_batch_size is None else f" (batch size {self.fixed_batch_size} only)"
        return f"ONNX {self.input_size}→{self.output_size}{only}"
