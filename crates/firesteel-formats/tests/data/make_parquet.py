"""Writes the Parquet files of this folder: pyarrow 26.0.1, DuckDB 2.0.1 and Polars 2.1.0, each in ways of its own.

Row n of each file follows from n, as `tests/parquet/types.rs` has it; every second row has nulls where a column takes them.
"""

import datetime as dt
import decimal
import uuid

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq

decimal.getcontext().prec = 100
ROWS = range(8)
UTC = dt.timezone.utc


def instant(n):
    return dt.datetime(2025, 1, 31, 12, 0, 0, 250000, tzinfo=UTC) + dt.timedelta(days=n - 4)


def maybe(of):
    return [of(n) if n % 2 == 0 else None for n in ROWS]


def always(of):
    return [of(n) for n in ROWS]


zoned = lambda unit: pa.timestamp(unit, tz="UTC")
columns = {
    "large": pa.array(always(lambda n: 2**64 - 1 - n), pa.uint64()),
    "small": pa.array(always(lambda n: n - 4), pa.int8()),
    "maybe": pa.array(maybe(lambda n: n), pa.int32()),
    "half": pa.array(always(lambda n: n / 2), pa.float16()),
    "single": pa.array(always(lambda n: n / 8), pa.float32()),
    "ratio": pa.array(maybe(lambda n: n / 10), pa.float64()),
    "flag": pa.array(maybe(lambda n: n % 4 == 0), pa.bool_()),
    "text": pa.array(maybe(lambda n: f"ünï {n}"), pa.large_string()),
    "kind": pa.array(always(lambda n: ["Buy", "Give"][n % 2])).dictionary_encode(),
    "bytes": pa.array(maybe(lambda n: bytes([0, 255, n])), pa.binary()),
    "fixed": pa.array(always(lambda n: bytes([n, 1, 2])), pa.binary(3)),
    "price": pa.array(maybe(lambda n: decimal.Decimal(n * 100 - 5).scaleb(-2)), pa.decimal128(9, 2)),
    "sum": pa.array(always(lambda n: decimal.Decimal(10**30 + n).scaleb(-3)), pa.decimal128(38, 3)),
    "huge": pa.array(always(lambda n: decimal.Decimal(-(10**60) - n)), pa.decimal256(76, 0)),
    "day": pa.array(maybe(lambda n: dt.date(1969, 12, 28) + dt.timedelta(days=n)), pa.date32()),
    "millis": pa.array(always(instant), zoned("ms")),
    "micros": pa.array(maybe(instant), zoned("us")),
    "nanos": pa.array(always(instant), zoned("ns")),
    "local": pa.array(always(lambda n: instant(n).replace(tzinfo=None)), pa.timestamp("us")),
    "clock": pa.array(always(lambda n: dt.time(23, 59, n, 500)), pa.time64("us")),
    "list": pa.array([None, [], [None], ["a", ""], ["b"], None, [], ["c", None]], pa.list_(pa.string())),
    "inner": pa.array(
        [{"name": f"n{n}", "values": [n, None]} if n % 2 == 0 else None for n in ROWS],
        pa.struct([("name", pa.string()), ("values", pa.list_(pa.int64()))]),
    ),
    "map": pa.array([[("k", n), ("l", None)] if n % 2 == 0 else [] for n in ROWS], pa.map_(pa.string(), pa.int32())),
}
table = pa.table(columns)
for name, options in {
    "v1.snappy": dict(compression="snappy", data_page_version="1.0", row_group_size=3),
    "v2.gzip": dict(compression="gzip", data_page_version="2.0", use_dictionary=False, write_page_index=True),
    "v2.lz4": dict(compression="lz4", data_page_version="2.0", data_page_size=32, write_batch_size=2, write_page_index=True),
}.items():
    pq.write_table(table, f"pyarrow.{name}.parquet", **options)

# As Spark wrote for years: times of 96 bits, decimals of fixed length.
far = [instant(n) if n > 0 else dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC) for n in ROWS]
old = pa.table(
    {
        "at": pa.array([at.replace(tzinfo=None) for at in far], pa.timestamp("us")),
        "price": columns["price"],
        "text": pa.array(maybe(lambda n: f"ünï {n}".encode()), pa.binary()),
    }
)
pq.write_table(old, "spark-like.parquet", use_deprecated_int96_timestamps=True, flavor="spark", compression="snappy")

duckdb.sql(
    """
    COPY (
        SELECT n::UBIGINT + 18446744073709551608 AS large, n::TINYINT - 4 AS small,
            CASE WHEN n % 2 = 0 THEN n::INTEGER END AS maybe, (n / 10.0)::DOUBLE AS ratio,
            CASE WHEN n % 2 = 0 THEN 'ünï ' || n END AS text, ['Buy', 'Give'][n % 2 + 1]::ENUM('Buy', 'Give') AS kind,
            (n * 100 - 5)::DECIMAL(18, 3) / 100 AS rounded, ((n * 100 - 5) / 100.0)::DECIMAL(18, 3) AS price,
            DATE '1969-12-28' + n::INTEGER AS day, TIMESTAMP '2025-01-27 12:00:00.25' + INTERVAL (n) DAY AS local,
            TIMESTAMPTZ '2025-01-27 12:00:00.25+00' + INTERVAL (n) DAY AS at, TIME '12:00:00' + INTERVAL (n) SECOND AS clock,
            ('00000000-0000-0000-0000-00000000000' || n)::UUID AS id, [n, NULL] AS list, {'name': 'n' || n} AS "inner",
            MAP {'k': n} AS map
        FROM range(8) AS r(n) ORDER BY n
    ) TO 'duckdb.parquet' (FORMAT parquet, COMPRESSION snappy)
    """
)

polars.DataFrame(
    {
        "at": [instant(n) for n in ROWS],
        "text": maybe(lambda n: f"ünï {n}"),
        "list": [[n, None] for n in ROWS],
        "inner": [{"name": f"n{n}"} for n in ROWS],
    }
).write_parquet("polars.parquet", compression="snappy")

# Statistics as they may be: none, of NaN and both zeros, of texts that are cut.
nan = float("nan")
odd = pa.table(
    {
        "ratio": pa.array([1.0, nan, 2.0, -0.0, 0.0, None, nan, nan, 5.0, float("inf"), -float("inf"), 7.0], pa.float64()),
        "text": pa.array([letter * 100 if letter else None for letter in ["a", "b", None, "m", "n", "", "z", "y", "x", "c", "d", "e"]]),
        "number": pa.array([1, 2, 3, None, None, None, -1, 0, 1, 100, None, 300], pa.int64()),
    }
)
for name, statistics in {"with": True, "without": False}.items():
    pq.write_table(
        odd, f"odd-{name}-statistics.parquet", write_statistics=statistics, row_group_size=6, data_page_size=1,
        write_batch_size=3, write_page_index=statistics, use_dictionary=False,
    )

bad = pa.table({"text": pa.array([b"good", b"\xff\xfe", None, b"fine"], pa.binary()), "n": pa.array([0, 1, 2, 3])})
# A text is what its column says, whatever its bytes are.
pq.write_table(bad.set_column(0, "text", bad["text"].combine_chunks().view(pa.string())), "not-utf8.parquet")

for name in ["zstd", "brotli"]:
    pq.write_table(pa.table({"n": pa.array(ROWS)}), f"{name}.parquet", compression=name)

# Pages that are not compressed, with checksums: what is damaged in them looks like other values.
summed = pa.table({"number": pa.array(range(6_000), pa.int64()), "ratio": pa.array([n / 7 for n in range(6_000)], pa.float64())})
pq.write_table(
    summed, "checksums.parquet", compression="none", use_dictionary=False, write_page_checksum=True,
    row_group_size=3_000, data_page_size=4_000, write_batch_size=500,
)
