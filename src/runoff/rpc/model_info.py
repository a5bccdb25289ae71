"""The description of a model that a service sends to its clients. Both protocols use the same description."""

from dataclasses import dataclass, field

# Key of the trailing metadata that runoff's service adds to each ModelMetadataResponse of the Open Inference Protocol:
# a serialized neural.ModelInfoResponse. The response itself has no field for it, and runoff cannot add one, because
# implementations of the protocol disagree on the meaning of the next field number, 6.
MODEL_INFO_KEY = "runoff-model-info-bin"


@dataclass(frozen=True)
class ModelInfo:
    """
    A service's description of one of its models. Services other than runoff's fill only the first five fields.

    Attributes:
        input_size: Features of one sample.
        hidden_size: Hidden units.
        output_size: Outputs of one sample.
        device: `cpu`, `gpu` or `metal`.
        framework: `tensorflow`, `pytorch`, `onnxruntime`, …
        model_name: Empty if the service does not name its models.
        model_digest: Mlp.digest, or empty.
        untrained: Whether the weights are random numbers from a seed.
        backend: Name of the runoff backend that computes in the service, or empty.
        framework_version: Version of the framework, or empty.
        threads: Threads of one forward pass; 0 if unknown.
        spinning: Whether idle worker threads spin.
        device_name: Product name of the processor or GPU, or empty.
        pid: Process id of the service; 0 if unknown.
        nonce: Random text that is new at each start of the service, or empty.
        max_batch_size: Largest batch that the service accepts; 0 if unknown.
        facts: Further facts about the service's backend, by name.
        versions: Versions of Python and of the packages that the service uses, by name.
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
