"""What the peers' programs of W3 and W3c share: the events as SQL expressions, the command line, and what they print.

The events are those of `benches/src/keyed_totals/events.rs`; that both agree is checked by the totals of every run.
"""

import argparse
import json
import os
import sys

PRIME = 2_147_483_647
SQUARE = 1_103_515_245
LINEAR = 12_345_678
PREFIX = "customer-"
TEXT = 30
VALUES = 100
DIGEST = 8_191


def arguments(description):
    """The command line that all programs take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--events", type=int, required=True, help="events of the whole run")
    parser.add_argument("--warm-up", type=int, required=True, help="events before the measured part begins")
    parser.add_argument("--keys", type=int, required=True, help="keys are below this")
    parser.add_argument("--shape", choices=["uniform", "zipf"], required=True, help="how often keys occur")
    parser.add_argument("--key", choices=["number", "text"], default="number", help="what a key is")
    parser.add_argument("--threads", type=int, required=True, help="parallel tasks")
    parser.add_argument("--folder", required=True, help="an empty folder for checkpoints and local state")
    parser.add_argument("--heap", type=int, default=2048, metavar="MB", help="the most the Java heap may take")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the engine")
    return parser


def settings(defaults, options):
    """The settings of the engine: these, and those of the command line."""
    return {**defaults, **dict(setting.split("=", 1) for setting in options.set)}


def key(options, number):
    """The number of the key of the event whose number is in the column `number`, in SQL."""
    prime = f"CAST({PRIME} AS BIGINT)"  # The remainder has the type of the divisor in Flink.
    random = f"({number} * {number} % {prime} * {SQUARE} + {number} * {LINEAR}) % {prime}"
    if options.shape == "uniform":
        return f"({random}) % CAST({options.keys} AS BIGINT)"
    exponent = f"CAST({random} AS DOUBLE) / CAST({PRIME} AS DOUBLE)"
    return f"CAST(POWER(CAST({options.keys} AS DOUBLE), {exponent}) AS BIGINT) - 1"


def typed(options, number):
    """The key that stands for a number: itself, or a text of 30 characters, in SQL."""
    if options.key == "number":
        return number
    return f"CONCAT('{PREFIX}', LPAD(CAST({number} AS STRING), {TEXT - len(PREFIX)}, '0'))"


def number(options, key):
    """The number that a key stands for, in SQL."""
    return key if options.key == "number" else f"CAST(SUBSTRING({key}, {len(PREFIX) + 1}) AS BIGINT)"


def value(number):
    """The value of the event whose number is in the column `number`, in SQL."""
    return f"{number} % CAST({VALUES} AS BIGINT)"


def totals(key, count, total):
    """The columns that condense the state, in SQL: keys, total count, total sum, digest."""
    return f"COUNT(*), SUM({count}), SUM({total}), SUM(({key} + 1) * ({count} * {total} % CAST({DIGEST} AS BIGINT)))"


def condense(totals):
    """What `totals` computes, of a dictionary of keys with their counts and sums."""
    digest = sum((key + 1) * (count * total % DIGEST) for key, (count, total) in totals.items())
    counts = sum(count for count, _ in totals.values())
    return len(totals), counts, sum(total for _, total in totals.values()), digest


class Run:
    """Says how far the run is: lines on standard output that `firesteel-durable` reads."""

    def __init__(self, system, version):
        self.system, self.version = system, version
        self.measuring = False

    def reached(self, events, warmed_up):
        """So many events are done; whether the measured part has begun by that."""
        print(f"events {events}", flush=True)
        if warmed_up and not self.measuring:
            self.measuring = True
            print("measuring", flush=True)

    def measured(self):
        """The measured part has ended; what follows are checks."""
        print("measured", flush=True)

    def end(self, *, events, seconds, all_events, totals, note):
        """The one line of the result."""
        keys, count, total, digest = (int(number or 0) for number in totals)
        line = {
            "system": self.system,
            "version": self.version,
            "events": events,
            "seconds": seconds,
            "all_events": all_events,
            "keys": keys,
            "total_count": count,
            "total_sum": total,
            "digest": digest,
            "note": note,
        }
        print(json.dumps(line), flush=True)
        sys.stdout.flush()


def subfolder(options, name):
    """A folder of the run's own, made if need be."""
    path = os.path.join(os.path.abspath(options.folder), name)
    os.makedirs(path, exist_ok=True)
    return path
