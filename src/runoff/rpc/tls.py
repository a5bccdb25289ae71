"""Reads and checks the TLS files that users pass as options, and creates gRPC credentials from them."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runoff.errors import ModelError, UsageError
from runoff.files.untrusted_file import read_bytes

if TYPE_CHECKING:  # parsing options must not import gRPC
    import grpc

# The limit is ample for a PEM file: even a bundle of all public certificate authorities has only 0.25 MB.
_MAX_PEM_BYTES = 2**22


@dataclass(frozen=True)
class ServerTls:
    """
    A service's TLS files, in PEM format.

    Attributes:
        certificate: The service's certificate, with the intermediate certificates up to an authority.
        key: The certificate's private key.
        client_authorities: The authorities that may sign clients' certificates. None admits all clients.
    """

    certificate: bytes
    key: bytes
    client_authorities: bytes | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Return the files as gRPC server credentials."""
        import grpc

        return grpc.ssl_server_credentials(
            [(self.key, self.certificate)], self.client_authorities, self.client_authorities is not None
        )


@dataclass(frozen=True)
class ClientTls:
    """
    A client's TLS files, in PEM format.

    Attributes:
        authorities: The authorities that may sign the service's certificate.
        certificate: The client's certificate, for a service that requires one, or None.
        key: The certificate's private key, or None.
    """

    authorities: bytes
    certificate: bytes | None = None
    key: bytes | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Return the files as gRPC channel credentials."""
        import grpc

        return grpc.ssl_channel_credentials(self.authorities, self.key, self.certificate)


def read_server_tls(certificate: str | None, key: str | None, client_ca: str | None) -> ServerTls | None:
    """
    Read the TLS files from the options `--tls-cert`, `--tls-key` and `--tls-client-ca` of `runoff serve`.

    Returns:
        The contents of the files. None if none of the options is given.

    Raises:
        UsageError: If a required option is missing, a file is unreadable or not PEM, or key and certificate do not
            match.
    """
    pair = _read_pair("--tls", certificate, key)
    if pair is None:
        if client_ca is not None:
            raise UsageError("--tls-client-ca needs --tls-cert and --tls-key: clients send certificates over TLS only")
        return None
    return ServerTls(*pair, None if client_ca is None else _read_certificates("--tls-client-ca", client_ca))


def read_client_tls(ca: str | None, certificate: str | None, key: str | None) -> ClientTls | None:
    """
    Read the TLS files from the perf suite's options `--grpc-tls-ca`, `--grpc-tls-cert` and `--grpc-tls-key`.

    The suite needs them to call a user's service that uses TLS. Result and errors are those of `read_server_tls`.
    """
    pair = _read_pair("--grpc-tls", certificate, key)
    if ca is None:
        if pair is not None:
            raise UsageError("--grpc-tls-cert needs --grpc-tls-ca, the authority that signed the service's certificate")
        return None
    return ClientTls(_read_certificates("--grpc-tls-ca", ca), *(pair or (None, None)))


def _read_pair(prefix: str, certificate: str | None, key: str | None) -> tuple[bytes, bytes] | None:
    """Read a certificate and its private key, and check that they match. Return None if neither path is given."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError(f"{prefix}-cert and {prefix}-key go together; one of them is missing")
    certificate_pem = _read_certificates(f"{prefix}-cert", certificate)
    key_pem = _read(f"{prefix}-key", key)
    if b"PRIVATE KEY-----" not in key_pem:
        raise UsageError(f"{prefix}-key {key}: holds no private key in PEM")
    if b"ENCRYPTED" in key_pem:
        raise UsageError(f"{prefix}-key {key}: has a passphrase, which cannot be entered here; remove it from the key")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(f"{prefix}-key {key}: is not the key of {prefix}-cert {certificate}") from None
        raise UsageError(f"{prefix}-cert {certificate} and {prefix}-key {key}: {error.reason or error}") from None
    return certificate_pem, key_pem


def _read_certificates(option: str, path: str) -> bytes:
    """Return the contents of a certificate file. Raise UsageError if it does not contain a certificate."""
    content = _read(option, path)
    with suppress(ssl.SSLError, ValueError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii", "ignore"))
        return content
    raise UsageError(f"{option} {path}: holds no certificate in PEM")


def _read(option: str, path: str) -> bytes:
    """Read the file that the user gave for a TLS option. Raise UsageError if the file cannot be read."""
    try:
        return read_bytes(Path(path), _MAX_PEM_BYTES)
    except ModelError as error:
        raise UsageError(f"{option} {error}") from None
