"""
What a run knows, and how it is kept.

A saved run is pytest-benchmark's JSON with two additions: `runoff` at the top (`RunRecord`: is the run complete, on
what machine) and `runoff` in each benchmark's `extra_info` (`CaseRecord`). Both carry `schema`, the version of what is
written in `schema.py`; a reader takes every version up to its own and says so when it meets a newer one. Fields are
added, never renamed and never given another meaning; one that is added has a default, so that old files stay readable.

    schema.py   the fields, with their units
    saved.py    bytes of a saved run -> typed and checked
    store.py    the folder of saved runs: atomic writing, loud skipping
"""
