"""`runoff serve`: start a gRPC service that computes predictions with an in-process backend."""

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

EXAMPLES = """\
examples:
  runoff serve --engine onnxruntime --model fixtures/models
  runoff serve --engine numpy --untrained 64,128,8 --port 0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `runoff serve`."""
    parser.epilog = EXAMPLES
    add = parser.add_argument
    # `run` parses the numbers, because its error messages state the allowed range and argparse's do not.
    add("--engine", required=True, choices=list(ENGINES), help="library that runs the models; null computes nothing")
    add("--model", action="append", default=[], metavar="PATH", help="model file, folder or glob; may be repeated")
    add("--untrained", metavar="IN,HIDDEN,OUT", help="also serve a network of these sizes with random weights")
    add("--kind", choices=list(map(str, Kind)), default="policy", help="kind of the untrained network (%(default)s)")
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s: only clients on this machine)")
    add("--insecure-bind", action="store_true", help="allow a --host that other machines reach, without TLS")
    add("--tls-cert", metavar="FILE", help="serve over TLS with this certificate (PEM)")
    add("--tls-key", metavar="FILE", help="private key of the certificate (PEM)")
    add("--tls-client-ca", metavar="FILE", help="accept only clients with a certificate issued by these CAs (PEM)")
    add("--reflection", action="store_true", help="offer gRPC server reflection")
    add("--port", default="50052", help="port to listen on, 0 for any free port (%(default)s)")
    add("--device", choices=("auto", "cpu", "gpu"), default="auto", help="auto means a GPU if there is one (default)")
    add("--threads", default="1", help="threads for one forward pass (%(default)s)")
    add("--spinning", action="store_true", help="let idle threads of the library spin, which costs processor time")
    add("--workers", default="2", help="threads that handle gRPC calls (%(default)s)")
    add("--ready-fd", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C arrives, and return the exit code: 0 after an orderly shutdown."""
    try:
        # Import the service's packages before anything else, so that a missing package is reported at once.
        import grpc_health.v1  # noqa: F401
        import grpc_reflection.v1alpha  # noqa: F401
    except ImportError:
        raise BackendUnavailable(
            "the packages of the service are not installed; install them with: pip install 'runoff[service]'"
        ) from None
    from runoff.rpc import address
    from runoff.rpc.tls import read_server_tls
    from runoff.service import lifecycle, model_loading

    tls = read_server_tls(arguments.tls_cert, arguments.tls_key, arguments.tls_client_ca)
    options = lifecycle.Options(
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
    untrained = _untrained_networks(arguments)
    if not untrained and not arguments.model:
        raise UsageError("no model to serve: name one with --model PATH, or try --untrained 64,128,8")
    require_packages(ENGINES[options.engine]["cpu"])
    paths = model_files.find(arguments.model) if arguments.model else {}
    if clash := set(paths) & set(untrained):
        raise ModelError(f"{paths[clash.pop()]}: has the same name as the untrained network; rename the file")
    models = model_loading.read_models(paths, untrained)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if arguments.insecure_bind and tls is None:
        logging.warning("no TLS: anyone who can reach %s can use this service and read its traffic", options.host)
    return lifecycle.serve(options, models)


def _untrained_networks(arguments: argparse.Namespace) -> dict[str, Mlp]:
    """Return the network requested with --untrained as {name: network}, or an empty dict without that option."""
    from runoff.service import model_loading

    if arguments.untrained is None:
        return {}
    kind, sizes = Kind(arguments.kind), model_loading.parse_sizes(arguments.untrained)
    if kind is Kind.VALUE and sizes[2] != 1:
        found = f"has {sizes[2]} outputs, expected 1 for a value network"
        raise UsageError(f"--untrained {quote(arguments.untrained)}: {found}")
    return {f"untrained_{'_'.join(map(str, sizes))}_{kind}": model_loading.untrained_mlp(kind, sizes)}


def _count(option: str, text: str) -> int:
    """Parse the value of an option that expects a whole number from 1 to 4096."""
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= 4096):
        raise UsageError(f"{option} is {quote(text)}, expected a whole number from 1 to 4096")
    return int(text)


def _descriptor(option: str, text: str) -> int:
    """Parse the value of an option that expects a file descriptor, and check that it is open for writing."""
    if text.isascii() and text.isdigit() and len(text) <= 7:
        with suppress(OSError):
            os.write(int(text), b"")
            return int(text)
    raise UsageError(f"{option} is {quote(text)}, expected the number of a file descriptor that is open for writing")
