"""How far a job of Flink is, seen from outside: the counter of its source, and the rows in its files."""

import glob
import json
import os
import socket
import threading
import time
import urllib.request

SOURCE = "numbers"


class Looks(threading.Thread):
    """Looks at the counter of the source `numbers` five times a second; `seen` is told how many records it shows, at most `events`."""

    def __init__(self, port, job, events, seen=lambda count: None):
        super().__init__(daemon=True)
        self.root = f"http://127.0.0.1:{port}/jobs/{job}"
        self.events, self.told = events, seen
        self.seen, self.checkpoints = [], 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.2):
            try:
                self.look()
            except (OSError, ValueError, StopIteration):
                # The job is not there yet, or not any more.
                continue

    def look(self):
        vertices = self.get("")["vertices"]
        source = next(vertex for vertex in vertices if SOURCE in vertex["name"])
        metrics = f"/vertices/{source['id']}/subtasks/metrics"
        names = [metric["id"] for metric in self.get(metrics)]
        name = next(name for name in names if SOURCE in name and name.endswith(".numRecordsOut"))
        count = int(self.get(f"{metrics}?get={name}&agg=sum")[0]["sum"])
        self.checkpoints = self.get("/checkpoints")["counts"].get("completed", 0)
        self.seen.append((time.monotonic(), count))
        self.told(count)

    def get(self, path):
        with urllib.request.urlopen(self.root + path, timeout=5) as answer:
            return json.load(answer)

    def stop(self):
        self.ended.set()
        self.join()

    def whole(self):
        """Seconds between the first and the last look."""
        return self.seen[-1][0] - self.seen[0][0]

    def steady(self, warm_up, over):
        """Records and seconds between the first look that shows the warm-up done and the last one before so many are read."""
        inner = [look for look in self.seen if warm_up <= look[1] < over]
        if len(inner) < 2 or inner[0][1] == inner[-1][1]:
            raise SystemExit("the run was too short to be measured: give it more events")
        (began, before), (ended, after) = inner[0], inner[-1]
        return after - before, ended - began


def rows_of(folder):
    """The rows in the files of a folder that are put, such as `+U[7, 12, 594]`, as lists of texts; those of a file in order."""
    for path in sorted(glob.glob(os.path.join(folder, "**", "*"), recursive=True)):
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as rows:
                for row in rows:
                    if row[0] == "+":
                        yield row[row.index("[") + 1 : row.rindex("]")].split(",")


def free_port():
    """A port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
