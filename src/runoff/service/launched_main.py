"""
The program that the launcher starts: `python -m runoff.service.launched_main PARENT_PID serve …` runs `runoff serve`.

The process watches its parent before it imports anything large, because such imports take seconds and may hang.
"""

import runpy
import sys

from runoff.service import parent_watch

if __name__ == "__main__":
    parent_watch.watch(int(sys.argv[1]))
    sys.argv[1:] = sys.argv[2:]
    runpy.run_module("runoff", run_name="__main__", alter_sys=True)
