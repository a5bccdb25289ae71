#!/bin/sh
# Runs its arguments with the first Python that is new enough: find_python.sh SCRIPT [ARGUMENT...]
# Uses the shell's own words only: nothing else may be on the PATH when there is no Python.

# Each candidate is started, not only looked up: a version manager's stand-in exists but may fail.
new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    new_enough "$PYTHON" && exec "$PYTHON" "$@"
    echo "runoff: PYTHON is $PYTHON, which is no Python 3.11 or newer; set it to one that is, or unset it" >&2
    exit 1
fi

too_old=
for python in python3 python3.13 python3.12 python3.11 python3.14 python; do
    command -v "$python" >/dev/null 2>&1 || continue
    new_enough "$python" && exec "$python" "$@"
    too_old="$too_old $python"
done

if [ -n "$too_old" ]; then
    echo "runoff: found$too_old, none of them a working Python 3.11 or newer" >&2
else
    echo "runoff: found no Python on the PATH" >&2
fi
echo "install Python 3.11 or newer (with venv and pip), or name one: PYTHON=/path/to/python3 ./run_tests.sh" >&2
exit 1
