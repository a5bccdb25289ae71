"""Who answers at an address, by what it says of itself: device, facts, and whether it is still the same."""

from dataclasses import fields

from runoff.errors import OtherModelError, ServiceError, ShapeError, quote
from runoff.measurement.machine import Device
from runoff.models.mlp import Mlp
from runoff.rpc.model_info import ModelInfo

# What services call a device, and which of ours that is; Metal is Apple's interface to its GPUs.
_DEVICE_TYPES = {"cpu": "cpu", "gpu": "gpu", "metal": "gpu"}

# The fact of a record that says whether a service can be told from a successor at its address.
TELLS_IDENTITY = "service_tells_identity"
# Fields that a message names if they changed: what says most about a successor first, then all others.
_TELLING = ("pid", "nonce", "model_digest", "sizes", "device", "framework")
_COMPARED = tuple(dict.fromkeys((*_TELLING, *(field.name for field in fields(ModelInfo)))))


def device_of(info: ModelInfo) -> Device:
    """Return the device that a service found; unknown if it has no known name, for a guess is no finding."""
    return Device(_DEVICE_TYPES.get(info.device.lower(), "unknown"), info.device_name or info.device)


def facts_of(info: ModelInfo, address: str) -> dict[str, str | int | float | bool]:
    """Return what belongs in a record about a service at an address."""
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
        # Without a nonce a successor of the same sizes, device and framework could not be told from it.
        TELLS_IDENTITY: bool(info.nonce),
    }


def check_unchanged(name: str, address: str, before: ModelInfo, after: ModelInfo) -> None:
    """Raise ServiceError if a backend's service is another process, another start or another model than before."""
    if after != before:
        changed = [
            f"{field} was {quote(getattr(before, field))}, is {quote(getattr(after, field))}"
            for field in _COMPARED
            if getattr(before, field) != getattr(after, field)
        ]
        raise ServiceError(f"{name}: another service answers at {address}: {'; '.join(changed)}")


def check_batch_limit(name: str, address: str, info: ModelInfo, batch_size: int) -> None:
    """Raise ShapeError if a batch is larger than the service says it takes."""
    if 0 < info.max_batch_size < batch_size:
        raise ShapeError(
            f"{name}: the batch has {batch_size} samples, the service at {address} takes at most"
            f" {info.max_batch_size} in one call"
        )


def is_other_model(mlp: Mlp, info: ModelInfo) -> bool:
    """Return whether a service runs a model of other sizes or, where it tells, of other weights."""
    return info.sizes != mlp.sizes or info.model_digest not in ("", mlp.digest)


def check_same_model(address: str, mlp: Mlp, info: ModelInfo) -> None:
    """Raise OtherModelError if a service runs a model of other sizes or, where it tells, of other weights."""
    if info.sizes != mlp.sizes:
        found = "→".join(map(str, info.sizes))
        raise OtherModelError(
            f"the service at {address} runs {info.model_name or 'a model'} of sizes {found}, expected {mlp.description}"
        )
    if info.model_digest and info.model_digest != mlp.digest:
        raise OtherModelError(
            f"the service at {address} runs {info.model_name}, a {mlp.description} with other weights: digest"
            f" {quote(info.model_digest, 20)}, expected {mlp.digest[:16]}…"
        )
