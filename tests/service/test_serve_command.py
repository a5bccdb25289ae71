"""`runoff serve` as a user meets it: words in, one line out, signals, exit codes."""

import os
import re
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from runoff.backends.grpc_backend import open_grpc
from runoff.cli import serve
from runoff.errors import ServiceError, UsageError
from runoff.models.mlp import Kind
from runoff.rpc.address import parse_address
from runoff.rpc.neural.client import NeuralClient
from runoff.service import server as server_module
from runoff.service.hosted_models import HostedModel, HostedModels
from runoff.service.launcher import RunningService
from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.serve_command import run_serve, serving
from tests.support.services import WatchedBackend, listener, served


def health_of(address: str, service: str) -> int:
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=10).status)


def test_ready_line_says_address_engine_device_and_models() -> None:
    """A user copies the address and sees at once what really serves; untrained is said in every place."""
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
def test_signal_ends_the_service_in_order(number: signal.Signals) -> None:
    """Ctrl-C and an init system's TERM are the usual ends, not failures."""
    with serving("--engine", "null", "--untrained", "2,2,2", "--kind", "policy") as (process, _):
        process.send_signal(number)
        assert 0 == process.wait(30)


@pytest.mark.parametrize(
    ("words", "exit_code", "complaint"),
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
def test_bad_words_end_with_one_line(words: list[str], exit_code: int, complaint: str) -> None:
    """Found, expected and the cure, and no traceback; 2 for words, 1 for what they name."""
    result = run_serve(*words)
    assert exit_code == result.returncode
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr


def test_descriptor_that_cannot_be_written_to_is_refused() -> None:
    """It is used when all models are loaded; a mistake should not cost that time."""
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w"):
        assert writing == serve._descriptor("--ready-fd", str(writing))
        with pytest.raises(UsageError, match=f"--ready-fd is '{reading}', expected .* open for writing"):
            serve._descriptor("--ready-fd", str(reading))


def test_taken_port_is_an_error_that_names_it() -> None:
    """Two gRPC servers would otherwise share a port and take turns."""
    with listener(None) as address:
        port = address.rpartition(":")[2]
        result = run_serve("--engine", "null", "--untrained", "2,2,2", "--port", port)
    assert 1 == result.returncode
    # No line of gRPC's own, which names a source file of its, comes before.
    start, *others = result.stderr.splitlines()
    assert f"cannot listen on port {port} of 127.0.0.1: Address already in use" in start
    assert [] == others


def test_port_that_is_taken_at_the_last_moment_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the check and gRPC's own binding there is room for another process."""
    monkeypatch.setattr(server_module, "_check_bindable", lambda *_: None)
    with listener(None) as address:
        host, port = parse_address(address)
        with pytest.raises(ServiceError, match=f"cannot listen on port {port} of {host}"):
            Server(host, port)


def test_port_of_a_service_that_has_just_ended_is_free() -> None:
    """A connection that the service closed lingers for a minute; a restart must not wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as ended, socket.create_connection(ended.getsockname()) as client:
        port = ended.getsockname()[1]
        ended.accept()[0].close()
        assert b"" == client.recv(1)
    with served({"m": WatchedBackend(random_mlp())}, port=port) as server:
        assert port == server.port


def test_port_of_a_service_is_not_shared() -> None:
    """With SO_REUSEPORT, gRPC's default, another server would get in silently, and every second client of ours."""
    stranger = grpc.server(ThreadPoolExecutor(1))
    with served({"m": WatchedBackend(random_mlp())}) as server:
        with pytest.raises(ServiceError, match=f"cannot listen on port {server.port} "):
            Server("127.0.0.1", server.port)
        with pytest.raises(RuntimeError):
            stranger.add_insecure_port(server.address)


def test_health_is_serving_once_loaded() -> None:
    """An operator's probe must not send calls to a service that would refuse them."""
    serving_, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    backend = WatchedBackend(random_mlp())
    server = Server("127.0.0.1", 0)
    server.start(["m"])
    try:
        names = ("", "neural.NeuralService", "inference.GRPCInferenceService", "m")
        assert [not_serving] * 4 == [health_of(server.address, name) for name in names]
        server.serve(HostedModels([HostedModel("m", backend.mlp, backend)]))
        assert [serving_] * 4 == [health_of(server.address, name) for name in names]
    finally:
        server.stop(0).wait(10)


def test_health_watchers_are_told_of_the_end() -> None:
    """A load balancer that watches takes the service out before calls to it fail."""
    with served({"m": WatchedBackend(random_mlp())}) as server, grpc.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        names = ("", "neural.NeuralService", "inference.GRPCInferenceService", "m")
        watches = [stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=20) for name in names]
        assert [health_pb2.HealthCheckResponse.SERVING] * 4 == [next(watch).status for watch in watches]
        server.stop(5)
        assert [health_pb2.HealthCheckResponse.NOT_SERVING] * 4 == [next(watch).status for watch in watches]
        for watch in watches:
            watch.cancel()


def test_predictions_are_refused_while_loading() -> None:
    """TensorFlow takes seconds to load; a client that comes too early is told, not left waiting."""
    server = Server("127.0.0.1", 0)
    server.start()
    try:
        with NeuralClient(server.address) as client, pytest.raises(Exception, match="still loading"):
            client.model_info(Kind.POLICY)
    finally:
        server.stop(0).wait(10)


def test_health_of_a_model_that_is_not_there_is_not_found(running: RunningService) -> None:
    """Some servers answer SERVING for any name, which tells a probe nothing."""
    with pytest.raises(grpc.RpcError) as error:
        health_of(running.address, "no_such_model")
    assert grpc.StatusCode.NOT_FOUND is error.value.code()


def test_reflection_lists_the_services_when_asked_for() -> None:
    """grpcurl and its like need no .proto file."""
    with (
        serving("--engine", "null", "--untrained", "2,2,2", "--reflection") as (_, line),
        grpc.insecure_channel(line.split(": ")[0].removeprefix("serving on ")) as channel,
    ):
        database = ProtoReflectionDescriptorDatabase(channel)
        names = ("neural.NeuralService", "inference.GRPCInferenceService", "grpc.health.v1.Health")
        assert set(names) <= set(database.get_services())
        # Without the messages, names alone let nobody call anything.
        assert all(database.FindFileContainingSymbol(name).message_type for name in names)


def test_reflection_is_off_unless_asked_for(running: RunningService) -> None:
    """What a service can do is not everybody's business."""
    with grpc.insecure_channel(running.address) as channel, pytest.raises(grpc.RpcError) as error:
        ProtoReflectionDescriptorDatabase(channel).get_services()
    assert grpc.StatusCode.UNIMPLEMENTED is error.value.code()


def test_calls_in_flight_finish_and_new_ones_are_refused() -> None:
    """A restart of the service must not cost its clients their answers."""
    backend = WatchedBackend(random_mlp())
    with served({"m": backend}) as server, NeuralClient(server.address) as client:
        backend.may_go_on.clear()
        answers: list[object] = []
        batch = np.ones((1, 5), np.float32)
        caller = threading.Thread(target=lambda: answers.append(client.predict(batch, Kind.POLICY).shape))
        caller.start()
        assert backend.entered.wait(10)
        drained = server.stop(10)
        with NeuralClient(server.address, 2.0) as late, pytest.raises(Exception, match=server.address):
            late.predict(batch, Kind.POLICY)
        backend.may_go_on.set()
        caller.join(10)
        assert drained.wait(10)
    assert [(1, 3)] == answers


@pytest.mark.parametrize(
    ("engine", "package", "framework"),
    [
        ("tensorflow", "tensorflow", "tensorflow"),
        ("onnxruntime", "onnxruntime", "onnxruntime"),
    ],
)
def test_engine_serves_the_model_itself(engine: str, package: str, framework: str, model_path: Path) -> None:
    """Whatever computes, the answers are the model's; the device is the one that was found."""
    pytest.importorskip(package, reason=f"needs {package}")
    from runoff.models import accuracy
    from runoff.service.launcher import launch

    mlp = random_mlp()
    batch = np.random.default_rng(0).random((3, 5), dtype=np.float32)
    with launch(engine, [model_path], device="cpu", threads=2) as service:
        with open_grpc(f"{engine}-grpc", service.address, mlp, "tiny_policy", timeout_s=60) as backend:
            accuracy.check(backend.name, mlp, batch, backend.predict(batch))
            assert (framework, "cpu", 2) == (backend.info.framework, backend.device.type, backend.info.threads)
        service.stop()
        assert 0 == service.process.returncode, service.log_tail()
