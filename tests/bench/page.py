"""What it costs to ask whether this Pod leads: a read of the status page, its deadline check included,
beside a poll of the local listener.
"""

import json
import pathlib
import shutil
import subprocess
import tempfile

import harness
from candidates import Candidate
from harness import BenchError
from report import percentile

SECTION = "the status page"
LEASE = "e41"
GOAL_NS = 40
# A clock that costs less than this share of its system call is served without one.
SERVED = 0.5


def measure(stage, report, quick):
    rounds = 300 if quick else 3000
    folder = pathlib.Path(tempfile.mkdtemp(prefix="baton-bench-", dir="/dev/shm"))
    path = folder / "page"
    asked = Candidate(stage, "baton", 0, LEASE, ["--status-page", path])
    try:
        asked.start()
        harness.until(lambda: (asked.status() or [False])[0], 60, f"a term of {asked.name}")
        stage.progress(f"status page: {rounds} rounds")
        ran = subprocess.run([stage.build / "page_reader", path, str(asked.port), str(rounds)],
                             stdout=subprocess.PIPE, check=True, text=True)
    finally:
        if asked.process:
            asked.process.kill()
            asked.process.wait()
        shutil.rmtree(folder)
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    if any(one["no"] for one in found):
        raise BenchError(f"{asked.name} did not lead all the time it was asked")
    report.note(SECTION, "Each round is the mean of ten thousand reads by the C++ reader, and of ten polls of"
                         " GET /leader over a kept connection, by one process beside a sidecar that leads and renews.")
    names = {"page_ns": "a read of the page, with its deadline check", "poll_ns": "a poll of GET /leader",
             "clock_ns": "CLOCK_BOOTTIME alone, as libc gives it",
             "call_ns": "CLOCK_BOOTTIME alone, by its system call"}
    middle = {}
    for key, name in names.items():
        values = [one[key] for one in found]
        middle[key] = percentile(values, 0.5)
        report.row(SECTION, name, values, "ns")
    report.figure(SECTION, "reads of the page in the time of one poll",
                  percentile([one["poll_ns"] / one["page_ns"] for one in found], 0.5), "")
    if middle["clock_ns"] < SERVED * middle["call_ns"]:
        report.goal(SECTION, "ns of a read with its deadline check, p50 of the rounds",
                    middle["page_ns"], GOAL_NS, ratio=False)
    else:
        report.note(SECTION, "The goal for a read is not judged here: this machine's kernel serves CLOCK_BOOTTIME by a"
                             " system call (its clock source cannot be read from user space), and that is most of"
                             " what a read costs.")
