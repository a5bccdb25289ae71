"""The `runoff serve` command: arguments, ready line, signals, port, exit codes and reflection."""

import os
import re
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from runoff.backends.grpc_backend import open_grpc
from runoff.cli import main as cli
from runoff.cli import serve
from runoff.errors import ServiceError, UsageError
from runoff.models.mlp import Kind
from runoff.rpc.address import parse_address
from runoff.rpc.neural.client import NeuralClient
from runoff.service import server as server_module
from runoff.service.launcher import RunningService, launch
from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.serve_command import run_serve, serving
from tests.support.services import WatchedBackend, listener, served


def test_ready_line_contains_address_engine_device_and_models() -> None:
    """The ready line shows users the address, the device, and whether a model is untrained."""
    with serving("--engine", "numpy", "--untrained", "64,128,8") as (process, line):
        found = re.fullmatch(r"serving on (127\.0\.0\.1:\d+): numpy on CPU .*: (.*)\n", line)
        assert found is not None
        assert "untrained_64_128_8_policy (policy 64→128→8, untrained)" == found[2]
        with NeuralClient(found[1]) as client:
            info = client.model_info(Kind.POLICY)
        assert (True, (64, 128, 8)) == (info.untrained, info.sizes)
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(30)
        assert process.stderr is not None
        assert "is untrained" in process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_service_with_exit_code_0(number: signal.Signals) -> None:
    """Users stop a service with Ctrl-C, and init systems stop it with SIGTERM, so neither must count as a failure."""
    with serving("--engine", "null", "--untrained", "2,2,2", "--kind", "policy") as (process, _):
        process.send_signal(number)
        assert 0 == process.wait(30)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "complaint"),
    [
        pytest.param(["--engine", "jax", "--untrained", "2,2,2"], 2, "invalid choice: 'jax'", id="engine"),
        pytest.param(["--engine", "null"], 2, "no model to serve", id="no-model"),
        pytest.param(["--engine", "null", "--untrained", "64,128"], 2, "expected input,hidden,output", id="two-sizes"),
        pytest.param(["--engine", "null", "--untrained", "64,0,8"], 2, "each 1 to", id="size-0"),
        pytest.param(
            ["--engine", "null", "--untrained", "2,2,2", "--kind", "value"],
            2,
            "expected 1 for a value network",
            id="value",
        ),
        pytest.param(["--engine", "null", "--untrained", "2,2,2", "--port", "65536"], 2, "0 to 65535", id="port"),
        pytest.param(["--engine", "null", "--untrained", "2,2,2", "--port", "-1"], 2, "'-1'", id="negative-port"),
        pytest.param(["--engine", "null", "--untrained", "2,2,2", "--host", "0.0.0.0"], 2, "this machine", id="host"),  # noqa: S104
        pytest.param(["--engine", "null", "--untrained", "2,2,2", "--threads", "0"], 2, "1 to 4096", id="threads"),
        pytest.param(["--engine", "null", "--untrained", "2,2,2", "--workers", "x"], 2, "1 to 4096", id="workers"),
        pytest.param(["--engine", "null", "--untrained", "2,2,2", "--ready-fd", "x"], 2, "'x', expected", id="fd"),
        pytest.param(["--engine", "null", "--untrained", "2,2,2", "--ready-fd", "77"], 2, "for writing", id="shut-fd"),
        pytest.param(["--engine", "numpy", "--untrained", "2,2,2", "--device", "gpu"], 2, "never runs", id="no-gpu"),
        pytest.param(["--engine", "null", "--model", "/absent.model"], 1, "no such file", id="absent-model"),
    ],
)
def test_bad_arguments_end_with_one_line(
    arguments: list[str], exit_code: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Users need a message, not a traceback. The exit code is 2 for invalid arguments and 1 for unusable files."""
    with pytest.raises(SystemExit) as ended:
        sys.exit(cli.main(["serve", *arguments]))
    assert exit_code == ended.value.code
    assert complaint in capsys.readouterr().err


def test_descriptor_that_cannot_be_written_to_is_refused() -> None:
    """The service uses the file descriptor only after all models are loaded, but must report errors before that."""
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w"):
        assert writing == serve._descriptor("--ready-fd", str(writing))
        with pytest.raises(UsageError, match=f"--ready-fd is '{reading}', expected .* open for writing"):
            serve._descriptor("--ready-fd", str(reading))


def test_error_names_a_port_in_use() -> None:
    """gRPC lets two servers share a port and split its calls by default, so the second service must refuse to start."""
    with listener(None) as address:
        port = address.rpartition(":")[2]
        result = run_serve("--engine", "null", "--untrained", "2,2,2", "--port", port)
    assert 1 == result.returncode
    # The error must be one line, because gRPC's own message, which names a gRPC source file, would confuse users.
    start, *others = result.stderr.splitlines()
    assert f"cannot listen on port {port} of 127.0.0.1: Address already in use" in start
    assert [] == others


def test_error_names_a_port_taken_just_before_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may take the port after runoff's check and before gRPC binds it. The error must name the port."""
    monkeypatch.setattr(server_module, "_check_bindable", lambda *_: None)
    with listener(None) as address:
        host, port = parse_address(address)
        with pytest.raises(ServiceError, match=f"cannot listen on port {port} of {host}"):
            Server(host, port)


def test_port_of_a_service_that_has_just_ended_is_free() -> None:
    """The kernel keeps closed connections for a minute, but a restarted service must get its port immediately."""
    with socket.create_server(("127.0.0.1", 0)) as ended, socket.create_connection(ended.getsockname()) as client:
        port = ended.getsockname()[1]
        ended.accept()[0].close()
        assert b"" == client.recv(1)
    with served({"m": WatchedBackend(random_mlp())}, port=port) as server:
        assert port == server.port


def test_port_of_a_service_is_not_shared() -> None:
    """With SO_REUSEPORT, gRPC's default, another server could bind the same port and get half of the calls."""
    other = grpc.server(ThreadPoolExecutor(1))
    with served({"m": WatchedBackend(random_mlp())}) as server:
        with pytest.raises(ServiceError, match=f"cannot listen on port {server.port} "):
            Server("127.0.0.1", server.port)
        with pytest.raises(RuntimeError):
            other.add_insecure_port(server.address)


def test_reflection_lists_the_services_when_asked_for() -> None:
    """With reflection, tools such as grpcurl can call the service without a .proto file."""
    with (
        serving("--engine", "null", "--untrained", "2,2,2", "--reflection") as (_, line),
        grpc.insecure_channel(line.split(": ")[0].removeprefix("serving on ")) as channel,
    ):
        database = ProtoReflectionDescriptorDatabase(channel)
        names = ("neural.NeuralService", "inference.GRPCInferenceService", "grpc.health.v1.Health")
        assert set(names) <= set(database.get_services())
        # To call a method, clients need the definitions of its messages, not only its name.
        assert all(database.FindFileContainingSymbol(name).message_type for name in names)


def test_reflection_is_off_by_default(shared_service: RunningService) -> None:
    """Reflection describes the service to every client, so operators must enable it explicitly."""
    with grpc.insecure_channel(shared_service.address) as channel, pytest.raises(grpc.RpcError) as error:
        ProtoReflectionDescriptorDatabase(channel).get_services()
    assert grpc.StatusCode.UNIMPLEMENTED is error.value.code()


def test_calls_in_flight_finish_and_new_ones_are_refused() -> None:
    """When a service is restarted, calls in flight must still get their responses."""
    backend = WatchedBackend(random_mlp())
    with served({"m": backend}) as server, NeuralClient(server.address) as client:
        backend.may_go_on.clear()
        answers: list[object] = []
        batch = np.ones((1, 5), np.float32)
        caller = threading.Thread(target=lambda: answers.append(client.predict(batch, Kind.POLICY).shape))
        caller.start()
        assert backend.entered.wait(60)
        drained = server.stop(10)
        with NeuralClient(server.address, 2.0) as late, pytest.raises(Exception, match=server.address):
            late.predict(batch, Kind.POLICY)
        backend.may_go_on.set()
        caller.join(60)
        assert drained.wait(60)
    assert [(1, 3)] == answers


@pytest.mark.parametrize(
    ("engine", "package", "framework"),
    [
        ("tensorflow", "tensorflow", "tensorflow"),
        ("onnxruntime", "onnxruntime", "onnxruntime"),
    ],
)
def test_engine_serves_the_model_itself(engine: str, package: str, framework: str, model_path: Path) -> None:
    """Every engine must return the model's outputs and report the device that it really uses."""
    pytest.importorskip(package, reason=f"needs {package}")
    from runoff.models import accuracy

    mlp = random_mlp()
    batch = np.random.default_rng(0).random((3, 5), dtype=np.float32)
    with launch(engine, [model_path], device="cpu", threads=2) as service:
        with open_grpc(f"{engine}-grpc", service.address, mlp, "tiny_policy", timeout_s=120) as backend:
            accuracy.check(backend.name, mlp, batch, backend.predict(batch))
            assert (framework, "cpu", 2) == (backend.info.framework, backend.device.type, backend.info.threads)
        service.stop()
        assert 0 == service.process.returncode, service.log_tail()
