"""W3 and W3c on Spark Structured Streaming: a running count and sum per key, state in RocksDB.

`cargo xtask bench --peers` runs it. On its own it needs `pyspark` and Java.

What is done in Spark's favour:

- Events come from the source `rate-micro-batch`, which only counts; the key is computed in the generated code.
- A batch begins as soon as the last one is done. Each batch is a checkpoint, so its size is chosen (`--batch`) such that
  a batch takes about a second. Spark has a cost per batch, and larger batches are faster and commit more seldom.
- State is checkpointed as a changelog, rows are not counted, no batches without data are run.
- As many shuffle partitions as threads: each is a RocksDB instance of its own.
- Updated rows go to the sink `noop`.

The time is taken from Spark's own progress: from the start of the first batch after the warm-up to the end of the last.
What the batches left is then read back from the checkpoint with Spark's reader of state, outside of that time.
"""

import datetime
import shutil
import time

import pyspark
from pyspark.sql import SparkSession, functions

import workload

SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.streaming.metricsEnabled": "false",
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",
    "spark.sql.streaming.numRecentProgressUpdates": "100000",
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    "spark.sql.streaming.stateStore.rocksdb.trackTotalNumberOfRows": "false",
}


def main():
    parser = workload.arguments("A running count and sum per key on Spark Structured Streaming.")
    parser.add_argument("--batch", type=int, default=250_000, help="events of a micro-batch")
    options = parser.parse_args()
    spark = session(options)
    run = workload.Run("spark", pyspark.__version__)
    checkpoint = workload.subfolder(options, "checkpoint")
    query = start(spark, options, checkpoint)
    done = 0
    while done < options.events:
        time.sleep(0.5)
        if query.exception():
            raise SystemExit(str(query.exception()))
        progress = query.lastProgress
        done = (progress["batchId"] + 1) * options.batch if progress else 0
        run.reached(done, done >= options.warm_up)
    run.measured()
    query.stop()
    # The batch that was under way may have been committed or not.
    batches = [batch for batch in query.recentProgress if batch["numInputRows"]]
    events, seconds, longest = steady(batches, options.warm_up)
    mean = seconds * options.batch / events
    run.end(
        events=events,
        seconds=seconds,
        all_events=sum(batch["numInputRows"] for batch in batches),
        totals=read_back(spark, options, checkpoint, batches[-1]["batchId"]),
        note=f"batches of {options.batch:,} events, {mean:.1f} s each, at most {longest:.1f} s",
    )
    spark.stop()
    shutil.rmtree(options.folder, ignore_errors=True)


def session(options):
    """Spark in this process's own JVM."""
    builder = SparkSession.builder.master(f"local[{options.threads}]").appName("keyed-totals")
    builder = builder.config("spark.driver.memory", f"{options.heap}m")
    builder = builder.config("spark.local.dir", workload.subfolder(options, "local"))
    builder = builder.config("spark.sql.warehouse.dir", workload.subfolder(options, "warehouse"))
    builder = builder.config("spark.sql.shuffle.partitions", str(options.threads))
    for name, value in workload.settings(SETTINGS, options).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def start(spark, options, checkpoint):
    """The query."""
    numbers = spark.readStream.format("rate-micro-batch")
    numbers = numbers.option("rowsPerBatch", options.batch).option("numPartitions", options.threads).load()
    key = workload.typed(options, workload.key(options, "value"))
    events = numbers.selectExpr(f"{key} AS key", f"{workload.value('value')} AS amount")
    totals = events.groupBy("key").agg(functions.count("*"), functions.sum("amount"))
    writer = totals.writeStream.format("noop").outputMode("update")
    return writer.option("checkpointLocation", checkpoint).start()


def steady(batches, warm_up):
    """Events and seconds of the batches behind the warm-up, and the longest of them."""
    done = 0
    for index, batch in enumerate(batches):
        if done >= warm_up:
            break
        done += batch["numInputRows"]
    measured = batches[index:]
    last = measured[-1]
    end = began(last) + datetime.timedelta(milliseconds=last["durationMs"]["triggerExecution"])
    seconds = (end - began(measured[0])).total_seconds()
    longest = max(batch["durationMs"]["triggerExecution"] for batch in measured) / 1000
    return sum(batch["numInputRows"] for batch in measured), seconds, longest


def began(batch):
    """When a batch began."""
    return datetime.datetime.fromisoformat(batch["timestamp"].replace("Z", "+00:00"))


def read_back(spark, options, checkpoint, batch):
    """The totals in the state as of the end of a batch."""
    state = spark.read.format("statestore").option("batchId", batch).load(checkpoint)
    state = state.selectExpr("key.*", "value.*").toDF("k", "a", "b")
    state.createOrReplaceTempView("state")
    totals = workload.totals(workload.number(options, "k"), "a", "b")
    return spark.sql(f"SELECT {totals} FROM state").first()


main()
