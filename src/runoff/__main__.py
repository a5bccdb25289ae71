"""Run the `runoff` command as `python -m runoff`."""

import sys

from runoff.cli.main import main

sys.exit(main())
