"""Reads a log as DuckDB, Polars, DataFusion or Spark reads it, keeps a part of the rows and counts.

    formats.py duckdb|polars|datafusion|pyspark json|csv|parquet FILE THREADS

Writes the seconds without the start of Python or Java, the rows, those that were kept, and the letters in them. Letters are
bytes; all of the log is ASCII. The columns that are looked at have the same types on every side: texts. Spark reads the log
twice, and the second time counts: by then its code is compiled.
"""

import sys
import time

peer, kind, path, threads = sys.argv[1:]
columns = ["ts", "id.orig_h", "query", "rcode_name"]

if peer == "duckdb":
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in columns)
    source = {
        "json": f"read_json('{path}', format = 'newline_delimited', columns = {{{types}}})",
        "csv": f"read_csv('{path}', header = true, types = {{{types}}})",
        "parquet": f"read_parquet('{path}')",
    }[kind]
    began = time.perf_counter()
    kept = "rcode_name = 'NOERROR'"
    letters = "strlen(ts) + strlen(\"id.orig_h\") + coalesce(strlen(query), 0)"
    query = f"SELECT count(*), count(*) FILTER ({kept}), sum({letters}) FILTER ({kept}) FROM {source}"
    found = connection.execute(query).fetchone()
elif peer == "datafusion":
    import pyarrow
    from datafusion import SessionConfig, SessionContext

    context = SessionContext(SessionConfig().with_target_partitions(int(threads)))
    texts = pyarrow.schema([(name, pyarrow.string()) for name in columns])
    began = time.perf_counter()
    if kind == "json":
        context.register_json("log", path, schema=texts, file_extension="." + path.rsplit(".", 1)[1])
    elif kind == "csv":
        with open(path) as log:
            header = log.readline().rstrip("\r\n").split(",")
        every = pyarrow.schema([(name, pyarrow.string()) for name in header])
        context.register_csv("log", path, schema=every, has_header=True)
    else:
        context.register_parquet("log", path)
    kept = "rcode_name = 'NOERROR'"
    letters = "octet_length(ts) + octet_length(\"id.orig_h\") + coalesce(octet_length(query), 0)"
    query = f"SELECT count(*), count(*) FILTER (WHERE {kept}), sum({letters}) FILTER (WHERE {kept}) FROM log"
    found = [column[0].as_py() for column in context.sql(query).collect()[0].columns]
elif peer == "pyspark":
    from pyspark.sql import SparkSession, functions
    from pyspark.sql.types import StringType, StructField, StructType

    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "4g",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master(f"local[{threads}]").appName("formats")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")

    def look():
        if kind == "json":
            log = session.read.schema(StructType([StructField(name, StringType()) for name in columns])).json(path)
        elif kind == "csv":
            log = session.read.option("header", "true").csv(path)
        else:
            log = session.read.parquet(path)
        kept = functions.col("rcode_name") == "NOERROR"
        bytes_of = lambda name: functions.coalesce(functions.octet_length(functions.col(f"`{name}`")), functions.lit(0))
        letters = bytes_of("ts") + bytes_of("id.orig_h") + bytes_of("query")
        counts = [functions.count("*"), functions.count(functions.when(kept, 1))]
        return log.agg(*counts, functions.sum(functions.when(kept, letters))).collect()[0]

    look()
    began = time.perf_counter()
    found = look()
else:
    import polars as pl

    began = time.perf_counter()
    texts = {name: pl.String for name in columns}
    if kind == "json":
        log = pl.scan_ndjson(path, schema=texts)
    elif kind == "csv":
        log = pl.scan_csv(path, schema_overrides=texts)
    else:
        log = pl.scan_parquet(path)
    kept = pl.col("rcode_name") == "NOERROR"
    bytes_of = lambda name: pl.col(name).str.len_bytes().fill_null(0).cast(pl.UInt64)
    letters = bytes_of("ts") + bytes_of("id.orig_h") + bytes_of("query")
    counts = log.select(pl.len(), kept.sum().alias("kept"), letters.filter(kept).sum().alias("letters"))
    found = counts.collect(engine="streaming").row(0)

print(time.perf_counter() - began, *map(int, found))
