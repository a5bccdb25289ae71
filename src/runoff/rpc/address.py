"""Parses and checks the addresses that users type: `host:port`, or `[::1]:port` for IPv6."""

import ipaddress
import re

from runoff.errors import UsageError, quote

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?\Z")
_EXAMPLE = "expected host:port, like 127.0.0.1:50052"


def parse_address(text: str) -> tuple[str, int]:
    """
    Split `host:port`, with an IPv6 address in brackets, into the host (without brackets) and the port, 1 to 65535.

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
    # Digits and dots are a mistyped IPv4 address, even where a resolver would accept them as a name.
    elif not (_is_ip_address(host) if host.replace(".", "").isdigit() else _HOST_NAME.match(host)):
        raise UsageError(f"the address {quote(text)} has the invalid host {quote(host)}; {_EXAMPLE}")
    port = parse_port(port_text)
    if port == 0:
        raise UsageError(f"the address {quote(text)} has port 0, which only a service may ask for; {_EXAMPLE}")
    return host, port


def parse_port(text: str) -> int:
    """
    Return the port that a text holds.

    Raises:
        UsageError: If it is no number from 0 to 65535. gRPC itself would silently bind another port.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise UsageError(f"the port is {quote(text)}, expected a whole number from 0 to 65535")
    if text != str(int(text)):
        # A missing digit is likely: a user who types 005 for 5005 should not get port 5.
        raise UsageError(f"the port is {quote(text)}, expected no zero in front: {int(text)} if that was meant")
    return int(text)


def format_address(host: str, port: int) -> str:
    """Return `host:port`, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen_host(host: str, *, allow_others: bool = False) -> str:
    """
    Return the IP address on which a service listens.

    Args:
        host: The host as the user typed it.
        allow_others: Whether other machines may be able to reach the address.

    Raises:
        UsageError: If the host is no IP address, or other machines can reach it although allow_others is False.
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
