#!/usr/bin/env python3
"""Computes what the example programs must find in access.log.gz and invoices.csv.gz, with nothing but Python's standard
library.

Run it in this folder: it rewrites the tables beside it, and prints the totals.
"""

import collections
import csv
import datetime
import gzip
import re

QUOTED = r'"((?:[^"\\]|\\.)*)"'
LINE = re.compile(rf'(\S+) \S+ \S+ \[([^\]]+)\] {QUOTED} (\d{{3}}) (\d+|-) {QUOTED} {QUOTED}')

hours, pages, statuses, clients, malformed = (
    collections.Counter(), collections.Counter(), collections.Counter(), set(), 0)
log = []  # a click or None for each line

for line in gzip.open("access.log.gz", "rt", encoding="utf-8"):
    match = LINE.fullmatch(line.rstrip("\n"))
    if not match:
        malformed += 1
        log.append(None)
        continue
    client, at, request, status, size, *_ = match.groups()
    _method, path, _protocol = request.split(" ")
    at = datetime.datetime.strptime(at, "%d/%b/%Y:%H:%M:%S %z").astimezone(datetime.timezone.utc)
    hours[at.strftime("%Y-%m-%dT%H:00:00Z"), client] += 1
    pages[path.split("?")[0]] += 1
    statuses[status] += 1
    clients.add(client)
    log.append((at, client, 0 if size == "-" else int(size)))


def write(name, rows):
    with open(name, "w", encoding="utf-8") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in rows)


# What the first program of the project's README reads: the day's first clicks, in lines that are easily taken apart. One
# is not, so that its reader meets what is said of such lines.
with open("clicks.log", "w", encoding="utf-8") as file:
    first = [f"{client} {at:%Y-%m-%dT%H:%M:%SZ}\n" for at, client, _ in filter(None, log[:1000])]
    file.writelines(first[:500] + ["-- rotated --\n"] + first[500:])

write("clicks-per-client-per-hour.tsv", sorted((hour, client, count) for (hour, client), count in hours.items()))
write("pages.tsv", sorted(((count, page) for page, count in pages.items()), key=lambda row: (-row[0], row[1])))
write("statuses.tsv", sorted(((count, status) for status, count in statuses.items()), key=lambda row: (-row[0], row[1])))
print(f"{sum(hours.values())} clicks, {malformed} malformed, {len(clients)} clients, {len(pages)} pages, "
      f"{len({hour for hour, _ in hours})} hours, {len(hours)} results")


def stamp(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


# Visits: batches of 100 lines. A batch's time is that of the last click before it; a client that has been idle for 90
# minutes by then has left.
IDLE = datetime.timedelta(minutes=90)
now, latest, visits, open_visits = log[0][0], log[0][0], [], {}
for start in range(0, len(log) + 100, 100):
    for at, client, size in filter(None, log[start:start + 100]):
        latest = max(latest, at)
        first, last, count, total, _ = open_visits.get(client, (at, at, 0, 0, None))
        open_visits[client] = (min(first, at), max(last, at), count + 1, total + size, now + IDLE)
    for client in [client for client, visit in open_visits.items() if visit[4] <= now]:
        first, last, count, total, _ = open_visits.pop(client)
        visits.append((stamp(first), client, stamp(last), count, total))
    now = latest
write("visits.tsv", sorted(visits))
print(f"{len(visits)} visits, {len(open_visits)} open at the end")

# Invoices: judged an hour after they were made.
HOUR = datetime.timedelta(hours=1)
sales = csv.reader(gzip.open("invoices.csv.gz", "rt", encoding="utf-8", newline=""))
customers = {}
for number, article, _, quantity, at, price, customer, _ in sales:
    if number == "InvoiceNo" or not customer:
        continue
    at, mils = datetime.datetime.fromisoformat(at), int(quantity) * round(float(price) * 1000)
    invoices = customers.setdefault(int(float(customer)), [])
    unjudged = [invoice for invoice in invoices if at < invoice["made"] + HOUR]
    if number.startswith("C"):
        bought = [invoice for invoice in unjudged if article in invoice["articles"]]
        if bought:
            max(bought, key=lambda invoice: (invoice["made"], invoice["number"]))["cancelled"] -= mils
        continue
    same = [invoice for invoice in unjudged if invoice["number"] == number]
    if not same:
        same = [{"made": at, "number": number, "mils": 0, "articles": [], "cancelled": 0}]
        invoices += same
    same[0]["mils"] += mils
    same[0]["articles"].append(article)

alerts = []
for customer, invoices in customers.items():
    count = paid = 0
    for invoice in sorted(invoices, key=lambda invoice: (invoice["made"], invoice["number"])):
        row = (stamp(invoice["made"]), customer, invoice["number"])
        if count >= 2 and invoice["mils"] * count > 3 * paid:
            alerts.append((*row, "far_above_mean", invoice["mils"] // 10, paid // count // 10))
        if invoice["cancelled"] > 0:
            alerts.append((*row, "cancelled", invoice["mils"] // 10, ""))
        count, paid = count + 1, paid + invoice["mils"]
write("alerts.tsv", sorted(alerts, key=lambda row: (row[:3], row[3] != "far_above_mean")))
print(f"{len(alerts)} alerts, {len(customers)} customers")
