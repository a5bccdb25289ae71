"""Addresses as users type them: `host:port`, `[::1]:port`."""

import ipaddress
import re

from runoff.errors import UsageError, quote

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?\Z")
_EXAMPLE = "expected host:port, like 127.0.0.1:50052"


def parse_address(text: str) -> tuple[str, int]:
    """
    Read the address of a service.

    Args:
        text: `host:port`; an IPv6 address stands in brackets.

    Returns:
        Host (without brackets) and port, 1 to 65535.

    Raises:
        UsageError: If it is no such address.
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
    else:
        _check_host(host, text)
    port = parse_port(port_text)
    if port == 0:
        raise UsageError(f"the address {quote(text)} has port 0, which only a service may ask for; {_EXAMPLE}")
    return host, port


def parse_port(text: str) -> int:
    """Return a port from 0 to 65535; UsageError if it is none. gRPC itself would bind another one silently."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise UsageError(f"the port is {quote(text)}, expected a whole number from 0 to 65535")
    if text != str(int(text)):
        # A digit too few or too many: whoever means 5005 and types 005 should not get port 5.
        raise UsageError(f"the port is {quote(text)}, expected no zero in front: {int(text)} if that was meant")
    return int(text)


def format_address(host: str, port: int) -> str:
    """Return host and port as one text, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen_host(host: str, *, allow_others: bool = False) -> str:
    """
    Return the address that a service may listen on.

    Args:
        host: As typed.
        allow_others: Whether it may be one that other machines reach.

    Raises:
        UsageError: If it is none, or reached by others and that was not asked for.
    """
    if host == "localhost":
        return "127.0.0.1"
    if _is_ip_address(host) and "%" not in host and ipaddress.ip_address(host).is_loopback:
        return host
    if not allow_others:
        raise UsageError(
            f"the host is {quote(host)}, expected 127.0.0.1, ::1 or localhost: without encryption and passwords the"
            " service listens on this machine only; add --tls-cert and --tls-key, or --insecure-bind where everybody"
            " who reaches it may use and read it"
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


def _check_host(host: str, text: str) -> None:
    if not host:
        raise UsageError(f"the address {quote(text)} has no host, {_EXAMPLE}")
    # Four numbers are meant as an IPv4 address, whatever a resolver would make of them.
    numeric = host.replace(".", "").isdigit()
    if not (_is_ip_address(host) if numeric else _HOST_NAME.match(host)):
        raise UsageError(f"the address {quote(text)} has no host that could exist: {quote(host)}; {_EXAMPLE}")
