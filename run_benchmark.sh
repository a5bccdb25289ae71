#!/bin/sh
# Installs what is missing inside this checkout, then runs the performance suite: ./run_benchmark.sh [pytest options]
script=$0
[ -L "$script" ] && script=$(readlink -f "$script")
case $script in */*) here=${script%/*} ;; *) here=. ;; esac
exec /bin/sh "$here/scripts/find_python.sh" "$here/scripts/bootstrap.py" benchmark "$@"
