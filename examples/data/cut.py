#!/usr/bin/env python3
"""Cuts the data of others to what the examples need: the first records of each file, unchanged.

    python3 cut.py FOLDER

FOLDER has the whole files, under the names below. The sources are in NOTICE at the root of the repository.
"""

import gzip
import pathlib
import sys

FOLDER = pathlib.Path(sys.argv[1])


def cut(whole, name, count, is_end=lambda text: True):
    """The first records; one is as many lines as `is_end` wants."""
    kept, record = [], b""
    for line in gzip.open(FOLDER / whole):
        record += line
        if is_end(record):
            kept.append(record)
            record = b""
        if len(kept) == count:
            break
    # Without the time, so that the file is the same whenever it is made.
    with open(name, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.writelines(kept)


# A post holds line ends within quotes.
cut("social_tweets_fight_night.csv.gz", "tweets.csv.gz", 1 + 4_000, lambda record: record.count(b'"') % 2 == 0)
cut("network_zeek_dns.ndjson.gz", "dns.ndjson.gz", 6_000)
cut("road_los_angeles_loop_speed.csv.gz", "speeds.csv.gz", 1 + 288)
