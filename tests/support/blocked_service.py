"""A program that starts a service whose forward pass never returns, so that all further calls are queued."""

import sys

from runoff.service import call_threads
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, served

MAX_THREADS = 4

if __name__ == "__main__":
    call_threads.MAX_THREADS = MAX_THREADS
    backend = WatchedBackend(random_mlp())
    backend.may_go_on.clear()
    with served({"m": backend}, max_message_bytes=2**25) as server:
        print(server.address, flush=True)  # noqa: T201 - the test reads the address
        sys.stdin.read()
