"""Describes a gRPC service and its model, and detects that a different service has replaced it at its address."""

from dataclasses import fields

from runoff.errors import ServiceError, ShapeError, quote
from runoff.measurement.machine import Device
from runoff.models.mlp import Mlp
from runoff.rpc.model_info import ModelInfo

# Maps each device name that a service can report to a Device.type. Metal is Apple's programming interface for GPUs.
_DEVICE_TYPES = {"cpu": "cpu", "gpu": "gpu", "metal": "gpu"}

# The fact with this name states whether runoff would notice if a different service took over the same address.
IDENTITY_FACT = "service_tells_identity"
# The error about a replaced service lists changed fields in this order, beginning with the clearest evidence.
_CLEAREST = ("pid", "nonce", "model_digest", "sizes", "device", "framework")
_COMPARED = tuple(dict.fromkeys((*_CLEAREST, *(field.name for field in fields(ModelInfo)))))


def device_of(info: ModelInfo) -> Device:
    """Return the device that a service reports. Its type is unknown if the reported name is not in _DEVICE_TYPES."""
    return Device(_DEVICE_TYPES.get(info.device.lower(), "unknown"), info.device_name or info.device)


def facts_of(info: ModelInfo, address: str) -> dict[str, str | int | float | bool]:
    """Return the facts about a service and its model that are saved in each record."""
    return {
        **info.facts,
        "framework": info.framework,
        "framework_version": info.framework_version,
        "threads": info.threads,
        "spinning": info.spinning,
        "service_backend": info.backend,
        "service_address": address,
        "service_model": info.model_name,
        "hidden_size": info.hidden_size,
        "model_digest": info.model_digest,
        "untrained": info.untrained,
        "service_pid": info.pid,
        "service_nonce": info.nonce,
        "service_versions": ", ".join(f"{name} {version}" for name, version in sorted(info.versions.items())),
        # Without a nonce, runoff cannot distinguish two services with the same sizes, device and framework.
        IDENTITY_FACT: bool(info.nonce),
    }


def check_unchanged(name: str, address: str, before: ModelInfo, after: ModelInfo) -> None:
    """Raise ServiceError if any part of the service's description changed, such as process id, nonce or digest."""
    if after != before:
        changed = [
            f"{field} was {quote(getattr(before, field))}, is {quote(getattr(after, field))}"
            for field in _COMPARED
            if getattr(before, field) != getattr(after, field)
        ]
        raise ServiceError(f"{name}: the service at {address} was replaced by another: {'; '.join(changed)}")


def check_batch_limit(name: str, address: str, info: ModelInfo | None, batch_size: int) -> None:
    """Raise ShapeError if a batch exceeds the service's limit. If `info` is None, there is no known limit."""
    if info and 0 < info.max_batch_size < batch_size:
        raise ShapeError(
            f"{name}: the batch has {batch_size} samples, the service at {address} takes at most"
            f" {info.max_batch_size} in one call"
        )


def describe_other_model(address: str, mlp: Mlp, info: ModelInfo) -> str:
    """Return a sentence that describes how the service's model differs from `mlp`, or "" if it does not differ."""
    if info.sizes != mlp.sizes:
        found = "→".join(map(str, info.sizes))
        return (
            f"the service at {address} runs {info.model_name or 'a model'} of sizes {found}, expected {mlp.description}"
        )
    if info.model_digest in ("", mlp.digest):
        return ""
    return (
        f"the service at {address} runs {info.model_name}, a {mlp.description} with other weights: digest"
        f" {quote(info.model_digest[:16])}…, expected {quote(mlp.digest[:16])}…"
    )
