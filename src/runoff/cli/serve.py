"""`runoff serve`: the gRPC service around any in-process backend."""

import argparse
import logging
import os
import sys
from contextlib import suppress

from runoff.backends.base import Settings
from runoff.backends.registry import ENGINES, require_packages
from runoff.errors import BackendUnavailable, ModelError, UsageError, quote
from runoff.models import model_files
from runoff.models.mlp import Kind, Mlp


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    # Numbers are checked in `run`, so that every message says what was found and expected.
    parser.add_argument("--engine", required=True, choices=list(ENGINES), help="what computes; null computes nothing")
    parser.add_argument("--model", action="append", default=[], metavar="PATH", help="model file, folder or glob")
    parser.add_argument("--untrained", metavar="IN,HIDDEN,OUT", help="also serve an untrained network of these sizes")
    parser.add_argument("--kind", choices=list(map(str, Kind)), default="policy", help="kind of --untrained")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s, this machine only)")
    parser.add_argument("--insecure-bind", action="store_true", help="let --host be reached by others, without TLS")
    parser.add_argument("--tls-cert", metavar="FILE", help="speak TLS: the service's certificate, PEM")
    parser.add_argument("--tls-key", metavar="FILE", help="the certificate's private key, PEM")
    parser.add_argument("--tls-client-ca", metavar="FILE", help="let in only clients with a certificate of these, PEM")
    parser.add_argument("--reflection", action="store_true", help="describe the services to whoever asks")
    parser.add_argument("--port", default="50052", help="port, 0 for any free one (%(default)s)")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "gpu"), default="auto", help="%(default)s: a GPU if there is"
    )
    parser.add_argument("--threads", default="1", help="threads of one forward pass (%(default)s)")
    parser.add_argument("--spinning", action="store_true", help="let idle worker threads spin")
    parser.add_argument("--workers", default="2", help="threads that handle calls (%(default)s)")
    parser.add_argument("--ready-fd", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """
    Serve until a signal comes.

    Returns:
        0 after an orderly end.

    Raises:
        UsageError: For options that cannot be used.
        RunoffError: If a model, a backend or the port cannot be had.
    """
    try:
        # Asked for early, with the cure.
        import grpc_health.v1  # noqa: F401
        import grpc_reflection.v1alpha  # noqa: F401
    except ImportError:
        raise BackendUnavailable(
            "the packages of the service are not installed; install them with: pip install 'runoff[service]'"
        ) from None
    from runoff.rpc import address
    from runoff.rpc.tls import read_server_tls
    from runoff.service import loading, serving

    tls = read_server_tls(arguments.tls_cert, arguments.tls_key, arguments.tls_client_ca)
    options = serving.Options(
        host=address.listen_host(arguments.host, allow_others=arguments.insecure_bind or tls is not None),
        port=address.parse_port(arguments.port),
        engine=arguments.engine,
        device=arguments.device,
        settings=Settings(_count("--threads", arguments.threads), arguments.spinning),
        workers=_count("--workers", arguments.workers),
        ready_fd=_descriptor("--ready-fd", arguments.ready_fd) if arguments.ready_fd is not None else None,
        tls=tls,
        reflection=arguments.reflection,
    )
    untrained: dict[str, Mlp] = {}
    if arguments.untrained is not None:
        kind, sizes = Kind(arguments.kind), loading.parse_sizes(arguments.untrained)
        if kind is Kind.VALUE and sizes[2] != 1:
            raise UsageError(f"--untrained {quote(arguments.untrained)}: a value network has 1 output")
        untrained[f"untrained_{'_'.join(map(str, sizes))}_{kind}"] = loading.untrained_mlp(kind, sizes)
    elif not arguments.model:
        raise UsageError("no model to serve: name one with --model PATH, or try --untrained 64,128,8")
    require_packages(ENGINES[options.engine]["cpu"])
    paths = model_files.find(arguments.model) if arguments.model else {}
    if clash := set(paths) & set(untrained):
        raise ModelError(f"{paths[clash.pop()]}: has the name of the untrained network; rename it")
    models = loading.read_models(paths, untrained)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if arguments.insecure_bind and tls is None:
        logging.warning("no TLS: everybody who reaches %s may use this service and read what it is sent", options.host)
    return serving.serve(options, models)


def _count(option: str, text: str) -> int:
    """Return an option's whole number, 1 to 4096."""
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= 4096):
        raise UsageError(f"{option} is {quote(text)}, expected a whole number from 1 to 4096")
    return int(text)


def _descriptor(option: str, text: str) -> int:
    """Return an option's file descriptor, open for writing: when the service is ready is too late to find out."""
    if text.isascii() and text.isdigit() and len(text) <= 7:
        with suppress(OSError):
            os.write(int(text), b"")
            return int(text)
    raise UsageError(f"{option} is {quote(text)}, expected the number of a file descriptor that is open for writing")
