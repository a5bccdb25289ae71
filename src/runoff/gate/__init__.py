"""
The gate: compare the benchmarks of a candidate with those of a baseline, and fail if the candidate is slower.

The gate works for any pytest-benchmark suite. It imports from runoff only `errors`, `units`, `interrupts` and `files`.

    plugin.py         pytest hooks: register the options, run the gate in pytest's run loop, set the exit code
    run_in_pytest.py  run the gate with the settings and on the terminal of a pytest session
    invocation.py     read from a pytest session how pytest was called
    replay.py         report each benchmark as an ordinary pytest test, with the rounds that the gate measured
    report.py         format the result as terminal lines, Markdown, JSON and JUnit properties
    options.py        define the command-line options and the gate marker
    run/              coordinate a run: blocks of worker processes, schedule of rounds, stages, result
    baseline/         turn the text of --gate-against into a side: a checkout, an interpreter and a pytest command
    statistics/       pure functions for the number of blocks, exact tests and verdicts
    worker/           the pytest plugin of the worker processes, which imports nothing from runoff

Imports go down this list: plugin.py is at the top, and every folder imports only from folders below it.
"""
