"""Who answers: told by GetModelInfo, and in the metadata of a call for clients of other protocols too."""

import os
import platform
from functools import cache

import grpc

from runoff.measurement import machine
from runoff.rpc.model_info import MODEL_INFO_KEY
from runoff.rpc.neural.neural_pb2 import ModelInfoResponse
from runoff.service.hosting import HostedModel

# What the original contract calls a framework that runoff calls otherwise.
_FRAMEWORK_NAMES = {"torch": "pytorch"}
_OWN_FIELDS = frozenset({"framework", "framework_version", "threads", "spinning"})
# What every call passes through beside the framework itself. The other packages of a machine change no call.
_STANDS_ON = ("runoff", "numpy", "grpcio", "protobuf")
# Fields of ModelInfoResponse that metadata tells one by one, for clients that have no stubs of ours.
_TOLD_FIELDS = (
    "model_digest",
    "device",
    "device_name",
    "framework",
    "framework_version",
    "threads",
    "pid",
    "nonce",
)


def describe(model: HostedModel, nonce: str, max_batch_size: int) -> ModelInfoResponse:
    """
    Return what tells a model in this service from any other, and what a record should say about it.

    Args:
        model: The model.
        nonce: Of this start of the service.
        max_batch_size: Largest batch the service takes.
    """
    backend = model.backend
    framework = str(backend.facts.get("framework", ""))
    return ModelInfoResponse(
        input_size=model.mlp.input_size,
        hidden_size=model.mlp.hidden_size,
        output_size=model.mlp.output_size,
        device=backend.device.type,
        framework=_FRAMEWORK_NAMES.get(framework, framework),
        model_name=model.name,
        model_digest=model.mlp.digest,
        untrained=model.untrained,
        backend=backend.name,
        framework_version=str(backend.facts.get("framework_version", "")),
        threads=int(backend.facts.get("threads", 0)),
        spinning=bool(backend.facts.get("spinning", False)),
        device_name=backend.device.name,
        pid=os.getpid(),
        nonce=nonce,
        max_batch_size=max_batch_size,
        facts={key: str(fact) for key, fact in backend.facts.items() if key not in _OWN_FIELDS},
        versions=_versions(),
    )


def tell_identity(context: grpc.ServicerContext, info: ModelInfoResponse) -> None:
    """Put what `describe` returned into the trailing metadata of a call: as text, and whole for our own client."""
    told = {f"runoff-{field.replace('_', '-')}": str(getattr(info, field)) for field in _TOLD_FIELDS}
    told["runoff-versions"] = " ".join(f"{name}={version}" for name, version in sorted(info.versions.items()))
    # Values of metadata are ASCII without line breaks; gRPC would fail the whole call for any other.
    texts = tuple((key, _plain(text)) for key, text in told.items())
    context.set_trailing_metadata((*texts, (MODEL_INFO_KEY, info.SerializeToString())))


@cache
def _versions() -> dict[str, str]:
    installed = machine.package_versions()
    found = {name: installed[name] for name in _STANDS_ON if name in installed}
    return {"python": platform.python_version(), **found}


def _plain(text: str) -> str:
    """Return a text as metadata may hold it."""
    escaped = text.encode("ascii", "backslashreplace").decode()
    return "".join(character if " " <= character <= "~" else "?" for character in escaped)
