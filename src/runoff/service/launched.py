"""
`python -m runoff.service.launched PARENT_PID serve …`: `runoff serve` as the launcher starts it.

It ends with its launcher from here on: importing what the service needs takes seconds, and may hang.
"""

import runpy
import sys

from runoff.service import parent

if __name__ == "__main__":
    parent.watch(int(sys.argv[1]))
    sys.argv[1:] = sys.argv[2:]
    runpy.run_module("runoff", run_name="__main__", alter_sys=True)
