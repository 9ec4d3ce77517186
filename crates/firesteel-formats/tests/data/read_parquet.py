"""Reads a Parquet file with pyarrow and with DuckDB, and writes each row as JSON: first all of the one, then all of the other.

Floats are their bits, bytes lists of numbers, times microseconds since 1970.
"""

import datetime as dt
import json
import struct
import sys

import duckdb
import pyarrow.parquet as pq

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


def shown(value):
    if isinstance(value, float):
        return struct.unpack("<Q", struct.pack("<d", value))[0]
    if isinstance(value, (bytes, bytearray)):
        return list(value)
    if isinstance(value, dt.datetime):
        return (value.astimezone(dt.timezone.utc) - EPOCH) // dt.timedelta(microseconds=1)
    if isinstance(value, dict):
        return {key: shown(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(part) for part in value]
    return value


path = sys.argv[1]
rows = pq.read_table(path).to_pylist(maps_as_pydicts="strict")
found = duckdb.connect().execute(f"SET TimeZone = 'UTC'; SELECT * FROM read_parquet('{path}')")
names = [column[0] for column in found.description]
for row in rows + [dict(zip(names, row)) for row in found.fetchall()]:
    print(json.dumps(shown(row), sort_keys=True))
