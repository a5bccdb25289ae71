"""TLS files as users give them: read and checked before anything is loaded, then made into gRPC's credentials."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runoff.errors import ModelError, UsageError
from runoff.files.untrusted_file import read_bytes

if TYPE_CHECKING:  # options are parsed without it
    import grpc

# A bundle of all public authorities has a quarter of a megabyte.
_MAX_PEM_BYTES = 2**22


@dataclass(frozen=True)
class ServerTls:
    """
    What a service shows and whom it lets in; PEM.

    Attributes:
        certificate: Its certificate, with those that lead to an authority.
        key: The certificate's private key.
        client_authorities: Clients need a certificate of one of these; None lets every client in.
    """

    certificate: bytes
    key: bytes
    client_authorities: bytes | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Return them as gRPC wants them."""
        import grpc

        return grpc.ssl_server_credentials(
            [(self.key, self.certificate)], self.client_authorities, self.client_authorities is not None
        )


@dataclass(frozen=True)
class ClientTls:
    """
    Whom a client trusts and what it shows; PEM.

    Attributes:
        authorities: The service needs a certificate of one of these.
        certificate: What the client shows to a service that asks, or None.
        key: The certificate's private key, or None.
    """

    authorities: bytes
    certificate: bytes | None = None
    key: bytes | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Return them as gRPC wants them."""
        import grpc

        return grpc.ssl_channel_credentials(self.authorities, self.key, self.certificate)


def read_server_tls(certificate: str | None, key: str | None, client_ca: str | None) -> ServerTls | None:
    """
    Read what `runoff serve` was given.

    Args:
        certificate: `--tls-cert`.
        key: `--tls-key`.
        client_ca: `--tls-client-ca`.

    Returns:
        The files' contents; None if none was given.

    Raises:
        UsageError: If one of a pair is missing, a file cannot be read or is no PEM, or the key is another's.
    """
    pair = _read_pair("--tls", certificate, key)
    if pair is None:
        if client_ca is not None:
            raise UsageError("--tls-client-ca needs --tls-cert and --tls-key: clients show theirs over TLS only")
        return None
    return ServerTls(*pair, None if client_ca is None else _read_certificates("--tls-client-ca", client_ca))


def read_client_tls(ca: str | None, certificate: str | None, key: str | None) -> ClientTls | None:
    """
    Read what the perf suite was given for a service of the user's.

    Args:
        ca: `--grpc-tls-ca`.
        certificate: `--grpc-tls-cert`.
        key: `--grpc-tls-key`.

    Returns:
        The files' contents; None if none was given.

    Raises:
        UsageError: If one of a pair is missing, a file cannot be read or is no PEM, or the key is another's.
    """
    pair = _read_pair("--grpc-tls", certificate, key)
    if ca is None:
        if pair is not None:
            raise UsageError("--grpc-tls-cert needs --grpc-tls-ca: whose certificate the service must have")
        return None
    return ClientTls(_read_certificates("--grpc-tls-ca", ca), *(pair or (None, None)))


def _read_pair(prefix: str, certificate: str | None, key: str | None) -> tuple[bytes, bytes] | None:
    """Read a certificate and its private key; None if neither is given."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError(f"{prefix}-cert and {prefix}-key go together; one of them is missing")
    certificate_pem = _read_certificates(f"{prefix}-cert", certificate)
    key_pem = _read(f"{prefix}-key", key)
    if b"PRIVATE KEY-----" not in key_pem:
        raise UsageError(f"{prefix}-key {key}: holds no private key in PEM")
    if b"ENCRYPTED" in key_pem:
        raise UsageError(f"{prefix}-key {key}: has a passphrase, which nobody can be asked for; give one without")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(f"{prefix}-key {key}: is not the key of {prefix}-cert {certificate}") from None
        raise UsageError(f"{prefix}-cert {certificate} and {prefix}-key {key}: {error.reason or error}") from None
    return certificate_pem, key_pem


def _read_certificates(option: str, path: str) -> bytes:
    content = _read(option, path)
    with suppress(ssl.SSLError, ValueError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii", "ignore"))
        return content
    raise UsageError(f"{option} {path}: holds no certificate in PEM")


def _read(option: str, path: str) -> bytes:
    try:
        return read_bytes(Path(path), _MAX_PEM_BYTES)
    except ModelError as error:
        raise UsageError(f"{option} {error}") from None
