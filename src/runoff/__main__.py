"""`python -m runoff`, the same as `runoff`."""

import sys

from runoff.cli import main

sys.exit(main())
