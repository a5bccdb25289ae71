#!/bin/sh
# Sets up what is missing inside this checkout, then runs lint, types and tests; with options, the tests alone:
# ./run_tests.sh [pytest options]
script=$0
[ -L "$script" ] && script=$(readlink -f "$script")
case $script in */*) here=${script%/*} ;; *) here=. ;; esac
exec /bin/sh "$here/scripts/find_python.sh" "$here/scripts/bootstrap.py" tests "$@"
