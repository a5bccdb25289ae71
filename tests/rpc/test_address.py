"""Tests how addresses and ports that users enter are parsed and checked."""

import pytest

from runoff.errors import UsageError
from runoff.rpc.address import listen_host, parse_address, parse_port


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        pytest.param("127.0.0.1:50052", "127.0.0.1", 50052, id="ipv4"),
        pytest.param("localhost:1", "localhost", 1, id="name"),
        pytest.param("gpu-box.lab_2.example:65535", "gpu-box.lab_2.example", 65535, id="dotted-name"),
        pytest.param("[::1]:50052", "::1", 50052, id="ipv6"),
    ],
)
def test_address_is_split_into_host_and_port(text: str, host: str, port: int) -> None:
    """The service prints addresses in these forms, and users copy them, so all must be accepted."""
    assert (host, port) == parse_address(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("127.0.0.1", "has no port", id="no-port"),
        pytest.param("[::1]", "has no port", id="ipv6-without-port"),
        pytest.param("", "has no port", id="empty"),
        pytest.param(":50052", "has no host", id="no-host"),
        pytest.param("localhost:", "expected a whole number from 0 to 65535", id="empty-port"),
        pytest.param("localhost:65536", "'65536', expected a whole number from 0 to 65535", id="port-too-large"),
        pytest.param("localhost:-1", "'-1', expected", id="negative-port"),
        pytest.param("localhost:5005２", "expected a whole number", id="digit-that-is-none"),
        pytest.param("localhost:0", "port 0", id="port-0"),
        pytest.param("localhost:005", "'005', expected no zero in front: 5 if that was meant", id="leading-zeros"),
        pytest.param("::1:50052", "write [::1]:50052", id="ipv6-without-brackets"),
        pytest.param("[localhost]:1", "no IPv6 address in its brackets", id="name-in-brackets"),
        pytest.param("999.0.0.1:1", "has the invalid host", id="impossible-ipv4"),
        pytest.param("a b:1", "has the invalid host", id="space"),
        pytest.param("-host:1", "has the invalid host", id="leading-hyphen"),
        pytest.param("http://localhost:1", "cannot be read", id="url"),
        pytest.param("a\n:1", "has the invalid host", id="newline"),
        pytest.param("x" * 10_000 + ":1", "…", id="endless"),
    ],
)
def test_bad_address_is_a_usage_error(text: str, complaint: str) -> None:
    """gRPC accepts most of these addresses and then times out or uses a wrong port, so runoff must check them."""
    with pytest.raises(UsageError) as error:
        parse_address(text)
    assert complaint in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("text", ["0", "65535"])
def test_both_ends_of_the_port_range_are_ports(text: str) -> None:
    """Port 0 must be accepted, because with it the operating system chooses a free port for a service."""
    assert int(text) == parse_port(text)


@pytest.mark.parametrize("text", ["005", "00", "08080"])
def test_port_with_leading_zero_is_refused(text: str) -> None:
    """A port with a leading zero is probably mistyped, and the service should not listen on a wrong port."""
    with pytest.raises(UsageError, match=f"'{text}', expected no zero in front"):
        parse_port(text)


def test_service_listens_on_loopback_hosts_only() -> None:
    """Everybody who can reach the service can use it, so by default only this machine may reach it."""
    assert ["127.0.0.1", "127.0.0.2", "::1"] == [listen_host(host) for host in ("localhost", "127.0.0.2", "::1")]
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", ""):  # noqa: S104 - the test expects a refusal
        with pytest.raises(UsageError, match="this machine only"):
            listen_host(host)


def test_service_listens_on_other_ip_addresses_if_allowed() -> None:
    """A host name can resolve to several addresses, so the service must accept IP addresses only."""
    hosts = ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1"]  # noqa: S104 - allowed by the argument
    assert hosts == [listen_host(host, allow_others=True) for host in hosts]
    for host in ("example.org", "", "300.1.1.1", "fe80::1%eth0", "x" * 10_000):
        with pytest.raises(UsageError, match="expected an IP address of this machine"):
            listen_host(host, allow_others=True)
