"""Who answers, told in the metadata of a call: what GetModelInfo says, for clients of other protocols too."""

import os

import grpc

from runoff.service.hosting import HostedModel


def tell_identity(context: grpc.ServicerContext, model: HostedModel, nonce: str) -> None:
    """Put what tells this model in this service from any other into the trailing metadata of a call."""
    backend = model.backend
    facts = {
        "runoff-model-digest": model.mlp.digest,
        "runoff-device": backend.device.type,
        "runoff-device-name": backend.device.name,
        "runoff-framework": backend.facts.get("framework", ""),
        "runoff-framework-version": backend.facts.get("framework_version", ""),
        "runoff-threads": backend.facts.get("threads", 0),
        "runoff-pid": os.getpid(),
        "runoff-nonce": nonce,
    }
    # Values of metadata are ASCII without line breaks; gRPC would fail the whole call for any other.
    context.set_trailing_metadata(tuple((key, _plain(str(fact))) for key, fact in facts.items()))


def _plain(text: str) -> str:
    """Return a text as metadata may hold it."""
    escaped = text.encode("ascii", "backslashreplace").decode()
    return "".join(character if " " <= character <= "~" else "?" for character in escaped)
