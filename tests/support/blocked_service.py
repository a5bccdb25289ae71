"""A program that starts a service whose forward pass never returns, so that all further calls are queued."""

import sys

from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, served

if __name__ == "__main__":
    backend = WatchedBackend(random_mlp())
    backend.may_go_on.clear()
    with served({"m": backend}, max_message_bytes=2**25) as server:
        print(server.address, flush=True)  # noqa: T201 - the test reads the address
        sys.stdin.read()
