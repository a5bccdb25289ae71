"""What a service says about one of its models, whichever protocol it was asked in."""

from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from runoff.errors import ServiceError
from runoff.rpc.neural.neural_pb2 import ModelInfoResponse

# Under this key our service puts a serialized ModelInfoResponse behind its answer to the Open Inference Protocol's
# ModelMetadata. That message itself has no room: what field 6 is differs from one implementation to the next.
METADATA_KEY = "runoff-model-info-bin"


@dataclass(frozen=True)
class ModelInfo:
    """
    What a service says about one of its models; a foreign service fills the first five only.

    Attributes:
        input_size: Features of one sample.
        hidden_size: Hidden units.
        output_size: Outputs of one sample.
        device: `cpu`, `gpu` or `metal`.
        framework: `tensorflow`, `pytorch`, `onnxruntime`, …
        model_name: Empty if the service knows no names.
        model_digest: Mlp.digest, or empty.
        untrained: Whether the weights were made from a seed.
        backend: runoff's name of what computes there, or empty.
        framework_version: Or empty.
        threads: Threads of one forward pass; 0 if not said.
        spinning: Whether idle worker threads spin.
        device_name: The processor's or GPU's own name, or empty.
        pid: Process of the service; 0 if not said.
        nonce: Random per start of the service, or empty.
        max_batch_size: Largest batch it takes; 0 if not said.
        facts: What else its backend tells.
        versions: What service and framework stand on, name to version.
    """

    input_size: int
    hidden_size: int
    output_size: int
    device: str
    framework: str
    model_name: str = ""
    model_digest: str = ""
    untrained: bool = False
    backend: str = ""
    framework_version: str = ""
    threads: int = 0
    spinning: bool = False
    device_name: str = ""
    pid: int = 0
    nonce: str = ""
    max_batch_size: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(input_size, hidden_size, output_size)."""
        return self.input_size, self.hidden_size, self.output_size


def read_model_info(message: bytes, address: str) -> ModelInfo:
    """
    Read what a service says about a model.

    Args:
        message: A serialized ModelInfoResponse.
        address: Who sent it.

    Returns:
        What it says.

    Raises:
        ServiceError: If it is no such message, or of a model without sizes.
    """
    try:
        response = ModelInfoResponse.FromString(message)
    except DecodeError as error:
        raise ServiceError(f"{address}: the reply is no neural.ModelInfoResponse: {error}") from None
    fields = {name: getattr(response, name) for name in ModelInfo.__dataclass_fields__}
    info = ModelInfo(**fields | {"facts": dict(response.facts), "versions": dict(response.versions)})
    if min(info.sizes) < 1:
        raise ServiceError(f"{address}: announces a model of sizes {info.sizes}, expected all at least 1")
    return info
