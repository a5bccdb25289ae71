"""TLS between service and client, and the addresses on which a service may listen."""

from pathlib import Path

import numpy as np
import pytest

from runoff.backends.grpc_backend import open_grpc
from runoff.errors import RunoffError, ServiceError, UsageError
from runoff.rpc.tls import read_client_tls, read_server_tls
from tests.support.certificates import make_certificates
from tests.support.models import random_mlp
from tests.support.serve_command import run_serve, serving
from tests.support.services import WatchedBackend, served

MLP = random_mlp()
BATCH = np.ones((2, 5), np.float32)


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificates and keys of a service, a client and a third party, and with invalid files."""
    folder = make_certificates(tmp_path_factory.mktemp("pem files"))
    (folder / "empty.pem").write_bytes(b"")
    locked = (folder / "service.key").read_text().replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
    (folder / "locked.key").write_text(locked)
    return folder


def test_service_answers_over_tls(pem: Path) -> None:
    """`runoff serve` with a certificate must answer a client that trusts this certificate."""
    words = ["--tls-cert", str(pem / "service.pem"), "--tls-key", str(pem / "service.key")]
    with serving("--engine", "null", "--untrained", "5,7,3", *words) as (_, line):
        address = line.split(": ")[0].removeprefix("serving on ")
        tls = read_client_tls(str(pem / "service.pem"), None, None)
        with open_grpc("x-grpc", address, MLP, tls=tls, allow_other_model=True) as backend:
            assert (2, 3) == backend.predict(BATCH).shape


@pytest.mark.parametrize(
    ("trusted", "shown", "words"),
    [
        pytest.param("other", "client", "no TLS connection to .*--grpc-tls-ca", id="untrusted-service"),
        pytest.param("service", None, "closes every connection.*it may require TLS", id="client-without-certificate"),
        pytest.param(
            "service", "other", "closes every connection.*it may require TLS", id="client-of-another-authority"
        ),
        pytest.param(None, None, "closes every connection.*it may require TLS", id="client-without-tls"),
    ],
)
def test_untrusted_peer_is_refused(pem: Path, trusted: str | None, shown: str | None, words: str) -> None:
    """Client and service must both refuse a peer whose certificate they do not trust."""
    server_tls = read_server_tls(str(pem / "service.pem"), str(pem / "service.key"), str(pem / "client.pem"))
    files = [str(pem / f"{shown}.pem"), str(pem / f"{shown}.key")] if shown else [None, None]
    tls = read_client_tls(str(pem / f"{trusted}.pem"), *files) if trusted else None
    backend = WatchedBackend(MLP)
    with served({"m": backend}, tls=server_tls) as server, pytest.raises(RunoffError, match=words):
        open_grpc("x-grpc", server.address, MLP, timeout_s=60, tls=tls)
    assert [] == backend.batch_sizes


def test_client_with_a_trusted_certificate_is_accepted(pem: Path) -> None:
    """A trusted client must get an answer. Otherwise the service might refuse every client."""
    server_tls = read_server_tls(str(pem / "service.pem"), str(pem / "service.key"), str(pem / "client.pem"))
    tls = read_client_tls(*(str(pem / name) for name in ("service.pem", "client.pem", "client.key")))
    with (
        served({"m": WatchedBackend(MLP)}, tls=server_tls) as server,
        open_grpc("x-grpc", server.address, MLP, tls=tls) as backend,
    ):
        assert (2, 3) == backend.predict(BATCH).shape


def test_tls_to_a_service_without_tls_is_an_error(pem: Path) -> None:
    """gRPC's message about the failed handshake is obscure, so runoff's error must mention TLS."""
    tls = read_client_tls(str(pem / "service.pem"), None, None)
    with served({"m": WatchedBackend(MLP)}) as server, pytest.raises(ServiceError, match="no TLS connection"):
        open_grpc("x-grpc", server.address, MLP, timeout_s=60, tls=tls)


BAD_FILES = [
    pytest.param("service.pem", None, None, "-cert and .*-key go together", id="no-key"),
    pytest.param(None, "service.key", None, "-cert and .*-key go together", id="no-certificate"),
    pytest.param("absent.pem", "service.key", None, "-cert .*absent.pem: .*[Nn]o such file", id="absent"),
    pytest.param(".", "service.key", None, "-cert .*: is a folder", id="folder"),
    pytest.param("empty.pem", "service.key", None, "-cert .*: holds no certificate in PEM", id="empty"),
    pytest.param("service.key", "service.key", None, "-cert .*: holds no certificate in PEM", id="key-as-certificate"),
    pytest.param("service.pem", "service.pem", None, "-key .*: holds no private key", id="certificate-as-key"),
    pytest.param("service.pem", "other.key", None, "other.key: is not the key of .*service.pem", id="mismatch"),
    pytest.param("service.pem", "locked.key", None, "has a passphrase", id="passphrase"),
    pytest.param("service.pem", "service.key", "empty.pem", "-ca .*: holds no certificate", id="empty-authority"),
]


@pytest.mark.parametrize(("certificate", "key", "ca", "words"), BAD_FILES)
def test_bad_tls_files_are_usage_errors(
    pem: Path, certificate: str | None, key: str | None, ca: str | None, words: str
) -> None:
    """gRPC accepts unusable certificates and keys and then fails at every connection, so runoff must check them."""
    paths = [None if name is None else str(pem / name) for name in (certificate, key, ca)]
    with pytest.raises(UsageError, match=f"^--tls.*{words}"):
        read_server_tls(*paths)
    with pytest.raises(UsageError, match=f"^--grpc-tls.*{words}"):
        read_client_tls(paths[2] or str(pem / "service.pem"), *paths[:2])


def test_incomplete_tls_options_are_usage_errors(pem: Path) -> None:
    """Without --tls-cert, --tls-client-ca has no effect, so every client would be accepted. This must be an error."""
    with pytest.raises(UsageError, match="--tls-client-ca needs --tls-cert"):
        read_server_tls(None, None, str(pem / "client.pem"))
    with pytest.raises(UsageError, match="--grpc-tls-cert needs --grpc-tls-ca"):
        read_client_tls(None, str(pem / "client.pem"), str(pem / "client.key"))


def test_tls_files_are_checked_before_anything_is_loaded(pem: Path) -> None:
    """TensorFlow takes seconds to load, so a wrong certificate must be reported before any engine is loaded."""
    words = ["--tls-cert", str(pem / "service.pem"), "--tls-key", str(pem / "other.key")]
    result = run_serve("--engine", "null", "--model", "/absent.model", *words)
    assert 2 == result.returncode
    assert "is not the key of" in result.stderr


@pytest.mark.parametrize("protection", ["--insecure-bind", "tls"])
def test_service_listens_on_all_addresses_when_requested(pem: Path, protection: str) -> None:
    """If the service listens without TLS, its log must warn that anyone can use it."""
    words = ["--tls-cert", str(pem / "service.pem"), "--tls-key", str(pem / "service.key")]
    words = words if protection == "tls" else [protection]
    with serving("--engine", "null", "--untrained", "5,7,3", "--host", "0.0.0.0", *words) as (process, line):  # noqa: S104
        assert line.startswith("serving on 0.0.0.0:")
        process.terminate()
        assert process.stderr is not None
        assert ("no TLS: anyone" in process.stderr.read()) is (protection != "tls")
