"""`python -m runoff`, the same as `runoff`."""

import sys

from runoff.cli.main import main

sys.exit(main())
