#!/usr/bin/env python3
"""Computes what the example programs about windows, joins and the complete table must find, with nothing but Python's
standard library.

Run it in this folder, after expected.py: it rewrites the tables beside it, and prints the totals.
"""

import collections
import csv
import datetime
import gzip
import json
import math
import re

SECOND, MINUTE, DAY = datetime.timedelta(seconds=1), datetime.timedelta(minutes=1), datetime.timedelta(days=1)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def stamp(at):
    """As the programs write times: a fraction only where there is one, and no more of it than is needed."""
    text = at.strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{at.microsecond:06}".rstrip("0") if at.microsecond else "") + "Z"


def floor(at, size):
    return at - (at - EPOCH) % size


def rows(name):
    return csv.DictReader(gzip.open(name, "rt", encoding="utf-8", newline=""))


def write(name, rows):
    with open(name, "w", encoding="utf-8") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in rows)


# clicks-complete: the first 2,000 clicks of the access log as user,time,url, three lines that are none among them, and how
# many there are per hour, user and URL.
LINE = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] "\S+ (\S+) [^"]*" .*"')
clicks = []
for line in gzip.open("access.log.gz", "rt", encoding="utf-8"):
    match = LINE.fullmatch(line.rstrip("\n"))
    if match and len(clicks) < 2_000:
        client, at, url = match.groups()
        at = datetime.datetime.strptime(at, "%d/%b/%Y:%H:%M:%S %z").astimezone(datetime.timezone.utc)
        clicks.append((client, at, url))
lines = [f"{client},{stamp(at)},{url}\n" for client, at, url in clicks]
lines[1_500:1_500] = ["user,time,url\n", "83.149.9.216,yesterday,/\n", "\n"]
with open("user-clicks.csv", "w", encoding="utf-8") as file:
    file.writelines(lines)
counts = collections.Counter((floor(at, 60 * MINUTE), client, url) for client, at, url in clicks)
write("clicks-complete.tsv", sorted((stamp(hour), client, url, count) for (hour, client, url), count in counts.items()))
print(f"{len(clicks)} clicks, {len(counts)} rows of user, URL and hour")

# trending-hashtags: windows of five minutes, one each minute, and the ten most frequent hashtags of each; ties by the alphabet.
windows, tweets = collections.defaultdict(collections.Counter), 0
for post in rows("tweets.csv.gz"):
    tweets += 1
    at = datetime.datetime.fromisoformat(post["created_at"] + "-04:00").astimezone(datetime.timezone.utc)
    for tag in re.findall(r"#(\w+)", post["text"]):
        for minutes in range(5):
            windows[floor(at, MINUTE) - minutes * MINUTE][tag.lower()] += 1
trends = []
for start, tags in sorted(windows.items()):
    most = sorted(tags.items(), key=lambda row: (-row[1], row[0]))[:10]
    trends += [(stamp(start), rank, tag, count) for rank, (tag, count) in enumerate(most, 1)]
write("trends.tsv", trends)
print(f"{tweets} posts, {len(windows)} windows, {len(trends)} rows")

# dns-watch: windows of ten seconds by host, in batches of 500 lines. What is ten seconds behind the largest time of the batches
# before is past the watermark, and late if its window has ended by that.
windows, late, largest, watermark = {}, [], None, None
log = [json.loads(line) for line in gzip.open("dns.ndjson.gz", "rt", encoding="utf-8")]
for begin in range(0, len(log), 500):
    for line in log[begin:begin + 500]:
        at = datetime.datetime.fromisoformat(line["ts"])
        start = floor(at, 10 * SECOND)
        largest = max(largest or at, at)
        if watermark and start + 10 * SECOND <= watermark:
            written = datetime.datetime.fromisoformat(line["_write_ts"])
            late.append((line["id.orig_h"], line["query"], stamp(at), stamp(written)))
            continue
        counts = windows.setdefault((start, line["id.orig_h"]), [0, 0])
        counts[0] += 1
        counts[1] += line.get("rcode_name") == "NXDOMAIN"
    watermark = largest - 10 * SECOND
write("dns-hosts.tsv", sorted((stamp(start), host, n, nx / n) for (start, host), (n, nx) in windows.items()))
write("dns-late.tsv", sorted(late))
print(f"{len(log)} queries, {len(windows)} rows of host and ten seconds, {len(late)} queries late")

# road-speed: three readings below 20 miles per hour in a row, told at the third; averages of 15 minutes, one each five, below
# 20. The day begins at midnight; a window at the beginning or end has fewer readings.
FIRST, SLOW = datetime.datetime(2012, 3, 1, tzinfo=datetime.timezone.utc), 20.0
jams, averages = [], []
readings = list(rows("speeds.csv.gz"))
for sensor in readings[0]:
    speeds, slow = [float(row[sensor]) for row in readings], 0
    for step, speed in enumerate(speeds):
        slow = slow + 1 if speed < SLOW else 0
        if slow == 3:
            jams.append((stamp(FIRST + step * 5 * MINUTE), sensor, speed))
    for step in range(-2, len(speeds)):
        of = speeds[max(step, 0):step + 3]
        if math.fsum(of) / len(of) < SLOW:
            averages.append((stamp(FIRST + step * 5 * MINUTE), sensor, str(math.fsum(of) / len(of)).removesuffix(".0")))
write("jams.tsv", sorted(jams))
write("slow-quarters.tsv", sorted(averages))
print(f"{len(readings)} rows of {len(readings[0])} sensors, {len(jams)} jams, {len(averages)} slow quarters of an hour")

# sessions: clicks of a client without a pause of more than half an hour. No click is late: lines are up to a minute out of order.
LOG = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] "(?:[^"\\]|\\.)*" \d{3} (\d+|-) "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"')
clients = collections.defaultdict(list)
for line in gzip.open("access.log.gz", "rt", encoding="utf-8"):
    if match := LOG.fullmatch(line.rstrip("\n")):
        client, at, size = match.groups()
        at = datetime.datetime.strptime(at, "%d/%b/%Y:%H:%M:%S %z").astimezone(datetime.timezone.utc)
        clients[client].append((at, 0 if size == "-" else int(size)))
sessions = []
for client, clicks in clients.items():
    last = None
    for at, size in sorted(clicks):
        if last is None or at - last > 30 * MINUTE:
            sessions.append([at, client, at, 0, 0])
        last = sessions[-1][2] = at
        sessions[-1][3] += 1
        sessions[-1][4] += size
write("sessions.tsv", sorted((stamp(start), client, stamp(end), n, size) for start, client, end, n, size in sessions))
print(f"{len(sessions)} sessions of {len(clients)} clients")

# order-payments: each line of an order with each cancellation of the same customer and article in the 14 days after it, or alone.
orders, cancellations = [], collections.defaultdict(list)
for sale in rows("invoices.csv.gz"):
    if sale["CustomerID"]:
        key = (int(float(sale["CustomerID"])), sale["StockCode"])
        at = datetime.datetime.fromisoformat(sale["InvoiceDate"]).replace(tzinfo=datetime.timezone.utc)
        if sale["InvoiceNo"].startswith("C"):
            cancellations[key].append((at, sale["InvoiceNo"]))
        else:
            mils = int(sale["Quantity"]) * round(float(sale["UnitPrice"]) * 1000)
            orders.append((key, at, sale["InvoiceNo"], mils))
cancelled, kept, pounds = [], 0, [0, 0]
for key, at, invoice, mils in orders:
    by = [(then, number) for then, number in cancellations[key] if at <= then <= at + 14 * DAY]
    cancelled += [(stamp(at), *key, invoice, mils, number, stamp(then)) for then, number in by]
    kept += not by
write("cancelled.tsv", sorted(cancelled, key=lambda row: tuple(map(str, row))))
print(f"{len(orders)} lines of orders, {len(cancelled)} cancelled, {kept} kept")
