"""Sends clients the identity of a model and its service, in GetModelInfo responses and in the metadata of calls."""

import os
import platform
from functools import cache

import grpc

from runoff.measurement import machine
from runoff.rpc.model_info import MODEL_INFO_KEY
from runoff.rpc.neural.neural_pb2 import ModelInfoResponse
from runoff.service.hosted_models import HostedModel, ServiceState

# The original protocol's names of frameworks that have another name in runoff, which is the key.
_FRAMEWORK_NAMES = {"torch": "pytorch"}
# Facts about a backend for which ModelInfoResponse has separate fields, so the field `facts` leaves them out.
_FACTS_WITH_FIELDS = frozenset({"framework", "framework_version", "threads", "spinning"})
# Packages that every call uses, apart from the framework, which has its own fields in ModelInfoResponse.
_REPORTED_PACKAGES = ("runoff", "numpy", "grpcio", "protobuf")
# Fields of ModelInfoResponse that calls also return as text, for clients that cannot decode runoff's messages.
_TEXT_FIELDS = ("model_digest", "device", "device_name", "framework", "framework_version", "threads", "pid", "nonce")


def send_identity(context: grpc.ServicerContext, model: HostedModel, state: ServiceState) -> bytes:
    """
    Put the identity of a model, its backend and its service into the trailing metadata of a call.

    The metadata contain it as text and, for clients that have runoff's protobuf messages, as one serialized message.

    Returns:
        The serialized message, a ModelInfoResponse.
    """
    backend = model.backend
    framework = str(backend.facts.get("framework", ""))
    info = ModelInfoResponse(
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
        nonce=state.nonce,
        max_batch_size=state.max_batch_size,
        facts={key: str(fact) for key, fact in backend.facts.items() if key not in _FACTS_WITH_FIELDS},
        versions=package_versions(),
    )
    serialized = info.SerializeToString()
    texts = {f"runoff-{field.replace('_', '-')}": str(getattr(info, field)) for field in _TEXT_FIELDS}
    texts["runoff-versions"] = " ".join(f"{name}={version}" for name, version in sorted(info.versions.items()))
    # A call fails if one of its metadata values contains anything but printable ASCII, so replace other characters.
    entries = tuple((key, _to_printable_ascii(text)) for key, text in texts.items())
    context.set_trailing_metadata((*entries, (MODEL_INFO_KEY, serialized)))
    return serialized


@cache
def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that every call uses."""
    installed = machine.package_versions()
    reported = {name: installed[name] for name in _REPORTED_PACKAGES if name in installed}
    return {"python": platform.python_version()} | reported


def _to_printable_ascii(text: str) -> str:
    """Escape characters outside ASCII, and replace control characters by `?`."""
    escaped = text.encode("ascii", "backslashreplace").decode()
    return "".join(character if " " <= character <= "~" else "?" for character in escaped)
