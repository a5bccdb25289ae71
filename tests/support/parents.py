"""Processes that launch a service, for tests in which the launching process is killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import runoff

# Launches a service, prints the service's process id, and prints `ready` when the service is ready. With `with-fork`,
# it also forks a child and prints the child's process id. With `in-thread`, it launches the service in a thread and
# prints the service's address when the thread has ended.
PARENT = """
import os, subprocess, sys, threading, time
from runoff.service import launcher
start = subprocess.Popen.__init__
def start_and_report(self, *a, **k):
    start(self, *a, **k)
    print(self.pid, flush=True)
    if 'with-fork' in sys.argv:
        child = os.fork()
        if not child:
            time.sleep(600)
        print(child, flush=True)
subprocess.Popen.__init__ = start_and_report
os.environ['PYTHONPATH'] = os.environ['SERVICE_PYTHONPATH']
def launch():
    global service
    service = launcher.launch('numpy', [sys.argv[1]])
    print('ready', flush=True)
if 'in-thread' in sys.argv:
    thread = threading.Thread(target=launch)
    thread.start()
    thread.join()
    print(service.address, flush=True)
else:
    launch()
time.sleep(600)
"""


@contextmanager
def parent_of_service(
    model_path: Path, *options: str, python_path: Path | None = None
) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """
    Start a process that launches a service with the NumPy engine. The process is killed when the context ends.

    Args:
        model_path: The model file that the service serves.
        options: `in-thread` to launch from a thread that ends, `with-fork` to fork a child that holds the pipes open.
        python_path: A folder of modules that the service imports instead of the installed ones.

    Yields:
        The launching process and the service's process id; further lines are left on the process's standard output.
    """
    own_folder = str(Path(runoff.__file__).parent.parent)
    environment = os.environ | {"PYTHONPATH": own_folder, "SERVICE_PYTHONPATH": str(python_path or "")}
    command = [sys.executable, "-c", PARENT, str(model_path), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        try:
            assert parent.stdout is not None
            yield parent, int(parent.stdout.readline())
        finally:
            parent.kill()
