#!/bin/sh
# Installs what is missing inside this checkout, then runs lint, type checks and tests; with options, only the tests:
# ./run_tests.sh [pytest options]
# The largest tests run at a tenth of their size; RUNOFF_FULL_TESTS=1, which .ci/run sets, runs them at full size.
script=$0
[ -L "$script" ] && script=$(readlink -f "$script")
case $script in */*) here=${script%/*} ;; *) here=. ;; esac
exec /bin/sh "$here/scripts/find_python.sh" "$here/scripts/bootstrap.py" tests "$@"
