#!/bin/sh
# Runs a Python script with the first sufficiently new Python on the PATH: find_python.sh SCRIPT [ARGUMENT...]
# This file uses only commands that are built into the shell, because the PATH may be empty.

# Run each interpreter instead of only looking it up, because the shim of a version manager may exist but fail to run.
new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    new_enough "$PYTHON" && exec "$PYTHON" "$@"
    echo "runoff: PYTHON is $PYTHON, expected a working Python 3.11 or newer; change the variable or unset it" >&2
    exit 1
fi

too_old=
for python in python3 python3.13 python3.12 python3.11 python3.14 python; do
    command -v "$python" >/dev/null 2>&1 || continue
    new_enough "$python" && exec "$python" "$@"
    too_old="$too_old $python"
done

if [ -n "$too_old" ]; then
    echo "runoff: found$too_old, expected a working Python 3.11 or newer" >&2
else
    echo "runoff: found no Python on the PATH" >&2
fi
echo "install Python 3.11 or newer (with venv and pip), or name one: PYTHON=/path/to/python3 ./run_tests.sh" >&2
exit 1
