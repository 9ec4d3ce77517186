"""W3 and W3c on Flink SQL: a running count and sum per key, state in RocksDB, checkpoints every second.

`cargo xtask bench --peers` runs it. On its own it needs `apache-flink` and Java.

What is done in Flink's favour:

- Numbers come from Flink's own `NumberSequenceSource`, without Python and without a file; the key is computed in the
  generated code.
- Checkpoints are incremental and go to a local folder, objects are reused, RocksDB has bloom filters, a second thread for
  each instance, and 512 MB of managed memory, or 300 MB for each million keys if that is more: with 512 MB and ten million
  keys it falls from 0.15 to 0.01 million events a second.
- Mini-batches and the aggregation in two phases are on where they pay: with Zipf keys. With uniform keys Flink is faster
  without them (`--set` tells otherwise).

Every run is checked, not only counted: behind the events come as many without a value as there are keys, one for each.
They make the aggregate put out each key's final total, and are known by `COUNT(*)` being larger than `COUNT(v)`. Those
rows go to a file, all others nowhere, as they would in the sink `blackhole`. The time of that part is not measured.

The time is taken from Flink's own counter of the source's records: between the first look at it that shows the warm-up
done and the last one before the events end. Between those two looks the pipeline is full; its start and its end are left
out.
"""

import os

from pyflink.common import Configuration, Encoder, Types, WatermarkStrategy
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.connectors.file_system import FileSink
from pyflink.datastream.connectors.number_seq import NumberSequenceSource
from pyflink.table import StreamTableEnvironment
from pyflink.version import __version__

import workload
from looks import SOURCE, Looks, free_port, rows_of

SETTINGS = {
    "state.backend.type": "rocksdb",
    "state.backend.rocksdb.use-bloom-filter": "true",
    "state.backend.rocksdb.thread.num": "2",
    "execution.checkpointing.interval": "1s",
    "execution.checkpointing.incremental": "true",
    "execution.checkpointing.mode": "EXACTLY_ONCE",
    "pipeline.object-reuse": "true",
    "rest.bind-address": "127.0.0.1",
    "rest.address": "127.0.0.1",
    "metrics.fetcher.update-interval": "200",
}

MINI_BATCHES = {
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "1s",
    "table.exec.mini-batch.size": "200000",
    "table.optimizer.agg-phase-strategy": "TWO_PHASE",
}


def main():
    options = workload.arguments("A running count and sum per key on Flink SQL.").parse_args()
    port = free_port()
    run = workload.Run("flink", __version__)
    folder = workload.subfolder(options, "totals")
    job = start(options, port, folder)
    looks = Looks(port, str(job.get_job_id()), options.events, Told(run, options))
    looks.start()
    job.get_job_execution_result().result()
    looks.stop()
    events, seconds = looks.steady(options.warm_up, options.events - options.keys)
    run.end(
        events=events,
        seconds=seconds,
        all_events=options.events,
        totals=workload.condense(final_totals(folder)),
        note=f"{looks.checkpoints} checkpoints in {looks.whole():.0f} s",
    )


def start(options, port, folder):
    """Flink in this process's own JVM, and the query running in it; final totals go to the folder."""
    # The JVM starts with the first object below.
    os.environ["JVM_ARGS"] = f"-Xmx{options.heap}m"
    local = workload.subfolder(options, "local")
    all_settings = {
        **SETTINGS,
        **(MINI_BATCHES if options.shape == "zipf" else {}),
        "parallelism.default": str(options.threads),
        "taskmanager.memory.managed.size": f"{max(512, options.keys * 300 // 1_000_000)}m",
        "rest.port": str(port),
        "execution.checkpointing.dir": "file://" + workload.subfolder(options, "checkpoints"),
        "io.tmp.dirs": local,
        "state.backend.rocksdb.localdir": local,
    }
    configuration = Configuration()
    for name, value in workload.settings(all_settings, options).items():
        configuration.set_string(name, value)
    environment = StreamExecutionEnvironment.get_execution_environment(configuration)
    tables = StreamTableEnvironment.create(environment)
    numbers = NumberSequenceSource(0, options.events + options.keys - 1)
    stream = environment.from_source(numbers, WatermarkStrategy.no_watermarks(), SOURCE, Types.LONG())
    tables.create_temporary_view("numbers", tables.from_data_stream(stream).alias("n"))
    rows = tables.to_changelog_stream(tables.sql_query(query(options)))
    rows.sink_to(FileSink.for_row_format(folder, Encoder.simple_string_encoder()).build())
    return environment.execute_async("keyed-totals")


def query(options):
    """The totals by key, of which those are kept that are final."""
    key = f"CASE WHEN n < {options.events} THEN {workload.key(options, 'n')} ELSE n - {options.events} END"
    key = workload.typed(options, key)
    value = f"CASE WHEN n < {options.events} THEN {workload.value('n')} END"
    events = f"SELECT {key} AS k, {value} AS v FROM numbers"
    totals = f"SELECT k, COUNT(v) AS c, SUM(v) AS s, COUNT(*) AS a FROM ({events}) GROUP BY k"
    return f"SELECT k, c, s FROM ({totals}) WHERE a > c AND c > 0"


def final_totals(folder):
    """The last total of each key, from rows such as `+U[7, 12, 594]`; counts only grow. A text counts as its number."""
    totals = {}
    for row in rows_of(folder):
        key, count, total = (int(column.removeprefix(workload.PREFIX)) for column in row)
        if count >= totals.get(key, (0, 0))[0]:
            totals[key] = (count, total)
    return totals


class Told:
    """Tells how far the run is, from the counter of its source."""

    def __init__(self, run, options):
        self.reporter, self.options, self.over = run, options, False

    def __call__(self, count):
        self.reporter.reached(min(count, self.options.events), count >= self.options.warm_up)
        if count >= self.options.events - self.options.keys and not self.over:
            # The readers of the two halves are not exactly abreast, and in the last one are those without a value.
            self.over = True
            self.reporter.measured()


main()
