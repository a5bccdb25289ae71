"""Parses and checks addresses that users enter: `host:port`, or `[::1]:port` for IPv6."""

import ipaddress
import re

from runoff.errors import UsageError, quote

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?\Z")
_EXAMPLE = "expected host:port, like 127.0.0.1:50052"


def parse_address(text: str) -> tuple[str, int]:
    """
    Split an address such as `host:port` or `[::1]:port` into the host, without brackets, and the port (1 to 65535).

    Raises:
        UsageError: If host or port is missing or malformed.
    """
    host, colon, port_text = text.rpartition(":")
    if not colon or text.endswith("]"):
        raise UsageError(f"the address {quote(text)} has no port, {_EXAMPLE}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not _is_ip_address(host) or ":" not in host:
            raise UsageError(f"the address {quote(text)} has no IPv6 address in its brackets, {_EXAMPLE}")
    elif ":" in host:
        cure = f"write [{host}]:{port_text}" if _is_ip_address(host) else "there is one colon too many"
        raise UsageError(f"the address {quote(text)} cannot be read, {_EXAMPLE}; {quote(cure, 80)[1:-1]}")
    elif not host:
        raise UsageError(f"the address {quote(text)} has no host, {_EXAMPLE}")
    # A host of digits and dots is mistyped if it is not a valid IPv4 address, even if a resolver accepts the host.
    elif not (_is_ip_address(host) if host.replace(".", "").isdigit() else _HOST_NAME.match(host)):
        raise UsageError(f"the address {quote(text)} has the invalid host {quote(host)}; {_EXAMPLE}")
    port = parse_port(port_text)
    if port == 0:
        raise UsageError(f"the address {quote(text)} has port 0, which only a service may ask for; {_EXAMPLE}")
    return host, port


def parse_port(text: str) -> int:
    """
    Convert text to a port number.

    Raises:
        UsageError: If the text is not a whole number from 0 to 65535. gRPC itself would silently use a different port.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise UsageError(f"the port is {quote(text)}, expected a whole number from 0 to 65535")
    if text != str(int(text)):
        # Leading zeros suggest a missing digit: a user who types 005 instead of 5005 must not get port 5.
        raise UsageError(f"the port is {quote(text)}, expected no zero in front: {int(text)} if that was meant")
    return int(text)


def format_address(host: str, port: int) -> str:
    """Return `host:port`, or `[host]:port` if the host is an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen_host(host: str, *, allow_others: bool = False) -> str:
    """
    Check the host that a user chose for a service, and return the IP address to listen on.

    Args:
        host: The host as the user typed it.
        allow_others: Whether other machines may be able to reach the address.

    Raises:
        UsageError: If the host is not an IP address, or if other machines can reach it although allow_others is False.
    """
    if host == "localhost":
        return "127.0.0.1"
    if _is_ip_address(host) and "%" not in host and ipaddress.ip_address(host).is_loopback:
        return host
    if not allow_others:
        raise UsageError(
            f"the host is {quote(host)}, expected 127.0.0.1, ::1 or localhost: without encryption and passwords the"
            " service listens on this machine only; add --tls-cert and --tls-key, or --insecure-bind if everybody"
            " who can reach the service may use it and read its traffic"
        )
    if not _is_ip_address(host) or "%" in host:
        raise UsageError(f"the host is {quote(host)}, expected an IP address of this machine, like 0.0.0.0 for all")
    return host


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
