"""Processes that launch a service and are then mistreated."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import runoff

# Tells the service's process id, then that of a fork if wanted, then that the service is ready.
PARENT = """
import os, subprocess, sys, threading, time
from runoff.service import launcher
start = subprocess.Popen.__init__
def told(self, *a, **k):
    start(self, *a, **k)
    print(self.pid, flush=True)
    if 'with-fork' in sys.argv:
        child = os.fork()
        if not child:
            time.sleep(600)
        print(child, flush=True)
subprocess.Popen.__init__ = told
os.environ['PYTHONPATH'] = os.environ['SERVICE_PYTHONPATH']
def launch():
    launcher.launch('numpy', [sys.argv[1]])
    print('ready', flush=True)
if 'in-thread' in sys.argv:
    thread = threading.Thread(target=launch)
    thread.start()
    thread.join()
    print('thread ended', flush=True)
else:
    launch()
time.sleep(600)
"""


@contextmanager
def parent_of_service(
    model_path: Path, *words: str, python_path: Path | None = None
) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """
    Launch a NumPy service from a process of its own.

    Args:
        model_path: The service's model.
        words: `in-thread` to launch it from a thread that ends, `with-fork` for a child that holds its pipes.
        python_path: Where modules lie that the service finds first.

    Yields:
        The parent, whose standard output then tells what else there is and `ready`, and the service's process id.
    """
    own_folder = str(Path(runoff.__file__).parent.parent)
    environment = os.environ | {"PYTHONPATH": own_folder, "SERVICE_PYTHONPATH": str(python_path or "")}
    command = [sys.executable, "-c", PARENT, str(model_path), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        try:
            assert parent.stdout is not None
            yield parent, int(parent.stdout.readline())
        finally:
            parent.kill()
