"""
Records of benchmark runs, and the folder in which they are saved.

A saved run is the JSON file of pytest-benchmark with two additions: the key `runoff` at the top (a `RunRecord`: the
machine, and whether the run is complete) and the key `runoff` in the `extra_info` of each benchmark (a `CaseRecord`).
Both contain `schema`, the version of the fields in `schema.py`. Fields may be added, but never renamed or given another
meaning; an added field has a default, so that older files stay readable. Files of a newer schema are rejected.

    schema.py      the fields, with their units
    reader.py      read one saved run into typed records and validate it
    run_record.py  the record of the current run
    folder.py      find and read the saved runs of one or several machines
    store.py       save runs atomically in the folder of this machine
"""
