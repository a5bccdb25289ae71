"""Identifies the service and the model at an address: device, facts for records, and checks for replacement."""

from dataclasses import fields

from runoff.errors import ServiceError, ShapeError, quote
from runoff.measurement.machine import Device
from runoff.models.mlp import Mlp
from runoff.rpc.model_info import ModelInfo

# A service's device name, and the corresponding Device.type; Metal is Apple's interface to its GPUs.
_DEVICE_TYPES = {"cpu": "cpu", "gpu": "gpu", "metal": "gpu"}

# Name of the fact in a record that states whether another service at the same address would be noticed.
IDENTITY_FACT = "service_tells_identity"
# Fields in the order in which an error message lists their changes, the clearest evidence first.
_CLEAREST = ("pid", "nonce", "model_digest", "sizes", "device", "framework")
_COMPARED = tuple(dict.fromkeys((*_CLEAREST, *(field.name for field in fields(ModelInfo)))))


def device_of(info: ModelInfo) -> Device:
    """Return the device that a service reports; unknown for an unfamiliar name, because a device is never guessed."""
    return Device(_DEVICE_TYPES.get(info.device.lower(), "unknown"), info.device_name or info.device)


def facts_of(info: ModelInfo, address: str) -> dict[str, str | int | float | bool]:
    """Return the facts about a service that belong in a record."""
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
        # Without a nonce, another service with the same sizes, device and framework looks the same.
        IDENTITY_FACT: bool(info.nonce),
    }


def check_unchanged(name: str, address: str, before: ModelInfo, after: ModelInfo) -> None:
    """Raise ServiceError if a service's description changed: another process, another start or another model."""
    if after != before:
        changed = [
            f"{field} was {quote(getattr(before, field))}, is {quote(getattr(after, field))}"
            for field in _COMPARED
            if getattr(before, field) != getattr(after, field)
        ]
        raise ServiceError(f"{name}: the service at {address} was replaced by another: {'; '.join(changed)}")


def check_batch_limit(name: str, address: str, info: ModelInfo | None, batch_size: int) -> None:
    """Raise ShapeError if a batch exceeds the limit of a service; a foreign service without `info` announces none."""
    if info and 0 < info.max_batch_size < batch_size:
        raise ShapeError(
            f"{name}: the batch has {batch_size} samples, the service at {address} takes at most"
            f" {info.max_batch_size} in one call"
        )


def describe_other_model(address: str, mlp: Mlp, info: ModelInfo) -> str:
    """Describe how a service's model differs from `mlp` in sizes or weights; return an empty text if it does not."""
    if info.sizes != mlp.sizes:
        found = "→".join(map(str, info.sizes))
        return (
            f"the service at {address} runs {info.model_name or 'a model'} of sizes {found}, expected {mlp.description}"
        )
    if info.model_digest in ("", mlp.digest):
        return ""
    return (
        f"the service at {address} runs {info.model_name}, a {mlp.description} with other weights: digest"
        f" {quote(info.model_digest, 20)}, expected {mlp.digest[:16]}…"
    )
