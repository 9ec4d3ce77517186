#!/usr/bin/env python3
"""Computes what the example programs must find in access.log.gz, with nothing but Python's standard library.

Run it in this folder: it rewrites clicks-per-client-per-hour.tsv, pages.tsv and statuses.tsv, and prints the totals.
"""

import collections
import datetime
import gzip
import re

QUOTED = r'"((?:[^"\\]|\\.)*)"'
LINE = re.compile(rf'(\S+) \S+ \S+ \[([^\]]+)\] {QUOTED} (\d{{3}}) (\d+|-) {QUOTED} {QUOTED}')

hours, pages, statuses, clients, malformed = (
    collections.Counter(), collections.Counter(), collections.Counter(), set(), 0)

for line in gzip.open("access.log.gz", "rt", encoding="utf-8"):
    match = LINE.fullmatch(line.rstrip("\n"))
    if not match:
        malformed += 1
        continue
    client, at, request, status, *_ = match.groups()
    _method, path, _protocol = request.split(" ")
    at = datetime.datetime.strptime(at, "%d/%b/%Y:%H:%M:%S %z").astimezone(datetime.timezone.utc)
    hours[at.strftime("%Y-%m-%dT%H:00:00Z"), client] += 1
    pages[path.split("?")[0]] += 1
    statuses[status] += 1
    clients.add(client)


def write(name, rows):
    with open(name, "w", encoding="utf-8") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in rows)


write("clicks-per-client-per-hour.tsv", sorted((hour, client, count) for (hour, client), count in hours.items()))
write("pages.tsv", sorted(((count, page) for page, count in pages.items()), key=lambda row: (-row[0], row[1])))
write("statuses.tsv", sorted(((count, status) for status, count in statuses.items()), key=lambda row: (-row[0], row[1])))
print(f"{sum(hours.values())} clicks, {malformed} malformed, {len(clients)} clients, {len(pages)} pages, "
      f"{len({hour for hour, _ in hours})} hours, {len(hours)} results")
