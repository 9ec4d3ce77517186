"""The questions of `firesteel-nexmark` and `firesteel-over-time` in SQL, for DuckDB and for Flink.

    queries.py duckdb|flink QUERY EVENTS THREADS FOLDER

Writes, as its last line, the seconds, the rows of the answer and their sum as numbers. Events are made from their number by the
same arithmetic as in `benches/src/queries.rs`; that all agree is checked by the answers.

DuckDB has all events in a table before the clock starts, and answers in one go. Flink makes them while it answers, as Firesteel
does: numbers come from its own `NumberSequenceSource`, in one task, since several would take the range apart and event time with
it; all else has as many tasks as threads. Objects are reused, checkpoints are off and state is in memory, as in the jobs beside
it. Of the time of Flink only that counts in which numbers are read, so neither the start nor the compilers' warming up: it is from
the first look at the source's counter that shows a fifth of them to the last before they end. That is the rate; the seconds
written are those of all events at that rate.
"""

import sys
import time

PRIME = 2_147_483_647
START = 1_767_225_600_000


def random(n):
    return f"(({n} * {n} % {big(PRIME)}) * {big(1_103_515_245)} + {n} * {big(12_345_678)}) % {big(PRIME)}"


def following(number):
    return f"({number}) * {big(48_271)} % {big(PRIME)}"


def big(number):
    """A number of 64 bits; the remainder has the type of the divisor in Flink."""
    return f"CAST({number} AS BIGINT)"


def condensed(*columns):
    """A row as one number."""
    number = big(7)
    for column in columns:
        number = f"({number} * {big(48_271)} + ({column}) % {big(PRIME)}) % {big(PRIME)}"
    return number


class Sql:
    """What differs between the two systems."""

    def __init__(self, peer):
        self.flink = peer == "flink"

    def div(self, number, by):
        return f"(({number}) / {by})" if self.flink else f"(({number}) // {by})"

    def least(self, number, most):
        return f"CASE WHEN {number} < {most} THEN {number} ELSE {most} END"


def nexmark_views(sql):
    """Persons, auctions and bids as views over a table of numbers with columns n and, in Flink, ts."""
    time_of = f"{START} + {sql.div('n', 10)}"
    ts = ", ts" if sql.flink else ""
    turn = sql.div("n", 50)
    stages = f"""
        SELECT n, {turn} AS turn, n % {big(50)} AS place, {big(START)} + {sql.div('n', big(10))} AS t, {random('n')} AS r1{ts} FROM numbers
    """
    stages = f"SELECT *, {following('r1')} AS r2 FROM ({stages}) AS a"
    stages = f"SELECT *, {following('r2')} AS r3 FROM ({stages}) AS b"
    stages = f"SELECT *, {following('r3')} AS r4 FROM ({stages}) AS c"
    newest = "(turn * 3 + 2)"
    persons = f"SELECT turn AS id, r1 % {big(6)} AS state, r2 % {big(10)} AS city, t{ts} FROM ({stages}) AS d WHERE place = 0"
    auctions = f"""
        SELECT turn * 3 + place - 1 AS id, turn - r2 % ({sql.least('(turn + 1)', big(100))}) AS seller,
               10 + r1 % {big(5)} AS category, t + 1000 + r3 % {big(20_000)} AS expires, t{ts}
        FROM ({stages}) AS d WHERE place BETWEEN 1 AND 3
    """
    hot_auction = f"{sql.div(newest, big(100))} * 100"
    cold_auction = f"{newest} - r2 % ({sql.least(f'({newest} + 1)', big(100))})"
    hot_bidder = f"{sql.div('turn', big(100))} * 100"
    cold_bidder = f"turn - r3 % ({sql.least('(turn + 1)', big(1_000))})"
    bids = f"""
        SELECT CASE WHEN r1 % {big(2)} = 0 THEN {hot_auction} ELSE {cold_auction} END AS auction,
               CASE WHEN r1 % {big(4)} = 0 THEN {hot_bidder} ELSE {cold_bidder} END AS bidder,
               1 + r4 % {big(1_000_000)} AS price, t{ts}
        FROM ({stages}) AS d WHERE place > 3
    """
    return {"persons": persons, "auctions": auctions, "bids": bids}


def sessions(table, key, gap, sql):
    """Sessions of a table with columns KEY and t, in milliseconds."""
    if sql.flink:
        source = f"TABLE(SESSION(TABLE {table} PARTITION BY {key}, DESCRIPTOR(ts), INTERVAL '{gap // 1000}' SECOND(4)))"
        return f"""
            SELECT {key}, MIN(t) AS began, MAX(t) + {gap} AS ended, COUNT(*) AS c
            FROM {source} GROUP BY {key}, window_start, window_end
        """
    fresh = f"CASE WHEN t - lag(t) OVER (PARTITION BY {key} ORDER BY t) <= {gap} THEN 0 ELSE 1 END"
    numbered = f"SELECT {key}, t, sum(fresh) OVER (PARTITION BY {key} ORDER BY t ROWS UNBOUNDED PRECEDING) AS s FROM (SELECT {key}, t, {fresh} AS fresh FROM {table}) AS f"
    return f"SELECT {key}, min(t) AS began, max(t) + {gap} AS ended, count(*) AS c FROM ({numbered}) AS g GROUP BY {key}, s"


def nexmark(query, sql):
    """The rows of a question, each as one number in the column d."""
    window = f"{sql.div('t', big(10_000))} * 10000"
    start = "TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_start)"
    start = f"CAST({start} AS BIGINT) * 1000"
    if query == "q0":
        return f"SELECT {condensed('auction', 'bidder', 'price', 't')} AS d FROM bids"
    if query == "q1":
        euros = sql.div(f"price * {big(908)}", big(1000))
        return f"SELECT {condensed('auction', 'bidder', euros, 't')} AS d FROM bids"
    if query == "q2":
        return f"SELECT {condensed('auction', 'price')} AS d FROM bids WHERE auction % {big(123)} = 0"
    if query == "q3":
        row = condensed("p.id", "p.state", "p.city", "a.id")
        return f"SELECT {row} AS d FROM auctions AS a JOIN persons AS p ON a.seller = p.id WHERE a.category = 10 AND p.state < 3"
    if query == "q4":
        final = """
            SELECT MAX(b.price) AS price, a.category AS category FROM auctions AS a JOIN bids AS b ON b.auction = a.id
            WHERE b.t >= a.t AND b.t <= a.expires GROUP BY a.id, a.category
        """
        mean = f"SELECT category, {sql.div('CAST(SUM(price) AS BIGINT)', 'COUNT(*)')} AS mean FROM ({final}) AS f GROUP BY category"
        return f"SELECT {condensed('category', 'mean')} AS d FROM ({mean}) AS m"
    if query == "q5":
        if sql.flink:
            hop = "TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND))"
            counts = f"SELECT auction, COUNT(*) AS num, window_start, window_end FROM {hop} GROUP BY auction, window_start, window_end"
            most = f"SELECT MAX(num) AS most, window_start, window_end FROM ({counts}) GROUP BY window_start, window_end"
            start = start.replace("window_start", "c.window_start")
            return f"""
                SELECT {condensed(start, 'c.auction', 'c.num')} AS d FROM ({counts}) AS c JOIN ({most}) AS m
                ON c.window_start = m.window_start AND c.window_end = m.window_end AND c.num >= m.most
            """
        slides = "SELECT auction, (t // 2000 - k) * 2000 AS start FROM bids, range(5) AS r(k)"
        counts = f"SELECT start, auction, count(*) AS num FROM ({slides}) AS s GROUP BY start, auction"
        hottest = f"SELECT *, max(num) OVER (PARTITION BY start) AS most FROM ({counts}) AS c"
        return f"SELECT {condensed('start', 'auction', 'num')} AS d FROM ({hottest}) AS h WHERE num = most"
    if query == "q6":
        final = """
            SELECT a.id, a.seller, a.expires, max(b.price) AS price FROM auctions AS a JOIN bids AS b ON b.auction = a.id
            WHERE b.t >= a.t AND b.t <= a.expires GROUP BY a.id, a.seller, a.expires
        """
        mean = f"""
            SELECT seller, expires, CAST(sum(price) OVER w AS BIGINT) // count(*) OVER w AS mean FROM ({final}) AS f
            WINDOW w AS (PARTITION BY seller ORDER BY expires, id ROWS 9 PRECEDING)
        """
        return f"SELECT {condensed('seller', 'expires', 'mean')} AS d FROM ({mean}) AS m"
    if query == "q7":
        if sql.flink:
            tumble = "TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))"
            ranked = f"""
                SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY price DESC, auction, bidder, t) AS place
                FROM {tumble}
            """
            return f"SELECT {condensed(start, 'auction', 'bidder', 'price')} AS d FROM ({ranked}) WHERE place <= 1"
        ranked = f"SELECT *, {window} AS start, row_number() OVER (PARTITION BY {window} ORDER BY price DESC, auction, bidder, t) AS place FROM bids"
        return f"SELECT {condensed('start', 'auction', 'bidder', 'price')} AS d FROM ({ranked}) AS r WHERE place = 1"
    if query == "q8":
        if sql.flink:
            tumble = "TABLE(TUMBLE(TABLE {}, DESCRIPTOR(ts), INTERVAL '10' SECOND))"
            who = f"SELECT id, window_start, window_end FROM {tumble.format('persons')} GROUP BY id, window_start, window_end"
            sells = f"SELECT seller, window_start, window_end FROM {tumble.format('auctions')} GROUP BY seller, window_start, window_end"
            start = start.replace("window_start", "p.window_start")
            return f"""
                SELECT {condensed('p.id', start)} AS d FROM ({who}) AS p JOIN ({sells}) AS a
                ON p.id = a.seller AND p.window_start = a.window_start AND p.window_end = a.window_end
            """
        both = "SELECT DISTINCT p.id, p.t // 10000 * 10000 AS start FROM persons AS p JOIN auctions AS a ON a.seller = p.id AND a.t // 10000 = p.t // 10000"
        return f"SELECT {condensed('id', 'start')} AS d FROM ({both}) AS b"
    if query == "q11":
        return f"SELECT {condensed('bidder', 'began', 'ended', 'c')} AS d FROM ({sessions('bids', 'bidder', 10_000, sql)}) AS s"
    if query == "q12":
        return f"SELECT {condensed('c')} AS d FROM (SELECT COUNT(*) AS c FROM bids) AS b"
    return None


def over_time_views(events, sql):
    """Users and their events; the two sides of a join; ids."""
    ts = ", ts" if sql.flink else ""
    views = {}
    for name, users, span in [("hourly", 100_000, 7_200_000), ("daily", 1_000_000, 86_400_000)]:
        when = f"{big(START)} + {sql.div(f'n * {big(span)}', big(events))}"
        views[name] = f"SELECT {random('n')} % {big(users)} AS k, {when} AS t{ts} FROM numbers"
    for name, odd in [("lefts", 0), ("rights", 1)]:
        when = f"{big(START)} + {sql.div('n', big(10))}"
        views[name] = f"SELECT {random('n')} % {big(100_000)} AS k, n, {when} AS t{ts} FROM numbers WHERE n % {big(2)} = {odd}"
    views["ids"] = f"SELECT {random('n')} % {big(10_000_000)} AS id{ts} FROM numbers"
    return views


def over_time(query, sql):
    if query == "sliding":
        if sql.flink:
            hop = "TABLE(HOP(TABLE hourly, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '1' HOUR))"
            start = "CAST(TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_start) AS BIGINT) * 1000"
            counts = f"SELECT k, {start} AS start, COUNT(*) AS c FROM {hop} GROUP BY k, window_start, window_end"
            return f"SELECT {condensed('k', '`start`', 'c')} AS d FROM ({counts.replace('AS start', 'AS `start`')})"
        slides = "SELECT k, (t // 1000 - i) * 1000 AS start FROM hourly, range(3600) AS r(i)"
        counts = f"SELECT k, start, count(*) AS c FROM ({slides}) AS s GROUP BY k, start"
        return f"SELECT {condensed('k', 'start', 'c')} AS d FROM ({counts}) AS w"
    if query == "sessions":
        return f"SELECT {condensed('k', 'began', 'ended', 'c')} AS d FROM ({sessions('daily', 'k', 1_800_000, sql)}) AS s"
    if query == "join":
        row = condensed("l.k", "l.n", "r.n")
        if sql.flink:
            near = "r.ts BETWEEN l.ts - INTERVAL '5' SECOND AND l.ts + INTERVAL '15' SECOND"
        else:
            near = "r.t BETWEEN l.t - 5000 AND l.t + 15000"
        return f"SELECT {row} AS d FROM lefts AS l JOIN rights AS r ON l.k = r.k AND {near}"
    if query == "dedup":
        return f"SELECT {condensed('id')} AS d FROM (SELECT DISTINCT id FROM ids) AS i"
    return None


def rows_and_views(query, events, sql):
    rows = nexmark(query, sql)
    if rows is not None:
        return rows, nexmark_views(sql)
    rows = over_time(query, sql)
    if rows is None:
        raise SystemExit(f"there is no query {query}")
    return rows, over_time_views(events, sql)


def duckdb(query, events, threads, folder):
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")
    connection.execute(f"SET temp_directory = '{folder}'")
    connection.execute(f"CREATE TABLE numbers AS SELECT range AS n FROM range({events})")
    rows, views = rows_and_views(query, events, Sql("duckdb"))
    for name, view in views.items():
        # Only what the question is about.
        if f" {name} " in f"{rows} " or f" {name})" in rows or f" {name}," in rows:
            connection.execute(f"CREATE TABLE {name} AS {view}")
    began = time.perf_counter()
    count, total = connection.execute(f"SELECT count(*), sum(d) FROM ({rows}) AS answer").fetchone()
    return time.perf_counter() - began, count, total or 0


def flink(query, events, threads, folder):
    import os

    from pyflink.common import Configuration, Encoder, Types, WatermarkStrategy
    from pyflink.datastream import StreamExecutionEnvironment
    from pyflink.datastream.connectors.file_system import FileSink
    from pyflink.datastream.connectors.number_seq import NumberSequenceSource
    from pyflink.table import Schema, StreamTableEnvironment

    from looks import Looks, free_port, rows_of

    port = free_port()
    os.environ["JVM_ARGS"] = "-Xmx6g"
    configuration = Configuration()
    for name, value in {
        "parallelism.default": str(threads),
        "pipeline.object-reuse": "true",
        "taskmanager.memory.managed.size": "512m",
        "table.local-time-zone": "UTC",
        "table.exec.mini-batch.enabled": "true",
        "table.exec.mini-batch.allow-latency": "1s",
        "table.exec.mini-batch.size": "200000",
        "rest.bind-address": "127.0.0.1",
        "rest.address": "127.0.0.1",
        "rest.port": str(port),
        "metrics.fetcher.update-interval": "200",
        "io.tmp.dirs": folder,
    }.items():
        configuration.set_string(name, value)
    environment = StreamExecutionEnvironment.get_execution_environment(configuration)
    tables = StreamTableEnvironment.create(environment)
    source = environment.from_source(
        NumberSequenceSource(0, events - 1), WatermarkStrategy.no_watermarks(), "numbers", Types.LONG()
    ).set_parallelism(1)
    when = {"daily": f"f0 * {big(86_400_000)} / {big(events)}", "hourly": f"f0 * {big(7_200_000)} / {big(events)}"}
    elapsed = {"sliding": when["hourly"], "sessions": when["daily"]}.get(query, f"f0 / {big(10)}")
    schema = (
        Schema.new_builder()
        .column("f0", "BIGINT")
        .column_by_expression("n", "f0")
        .column_by_expression("ts", f"TO_TIMESTAMP_LTZ({big(START)} + {elapsed}, 3)")
        .watermark("ts", "ts")
        .build()
    )
    tables.create_temporary_view("numbers", source, schema)
    rows, views = rows_and_views(query, events, Sql("flink"))
    for name, view in views.items():
        tables.execute_sql(f"CREATE TEMPORARY VIEW {name} AS {view}")
    answer = tables.to_changelog_stream(tables.sql_query(f"SELECT COUNT(*) AS c, SUM(d) AS s FROM ({rows}) AS answer"))
    results = os.path.join(folder, "answer")
    answer.sink_to(FileSink.for_row_format(results, Encoder.simple_string_encoder()).build())
    job = environment.execute_async("queries")
    looks = Looks(port, str(job.get_job_id()), events)
    looks.start()
    job.get_job_execution_result().result()
    looks.stop()
    count, total = (int(number) for number in list(rows_of(results))[-1])
    seen, seconds = looks.steady(events // 5, events)
    return events * seconds / seen, count, total


peer, query, events, threads, folder = sys.argv[1:]
print(*{"duckdb": duckdb, "flink": flink}[peer](query, int(events), int(threads), folder))
