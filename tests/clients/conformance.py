"""The conformance program in Python: README.md in this folder says what it prints. usage: [ACT [FILE]]"""
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients/python"))
import baton
from baton_page import StatusPage

act, release = (sys.argv[1:] + ["", ""])[:2]


def say(what, **fields):
    print(json.dumps({"what": what, **fields}), flush=True)


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def refuses(call, bad):
    try:
        call(bad)
        return False
    except ValueError:
        return True


def work(term):
    say("started", atNs=now(), token=str(term.token), termId=term.term_id,
        remainingMs=int(term.remaining() * 1000), key=term.idempotency_key("op-1"), headers=term.headers(),
        asked=term.headers("shop/bills"),
        refuses=refuses(term.headers, "a\r\nB: c") and refuses(term.idempotency_key, "op 1"))
    lost = threading.Event()
    term.on_loss(lost.set)
    acted = False
    while True:
        at = now()
        if not term.leading():
            break
        say("work", atNs=at)
        if not acted:
            acted = True
            if act == "reject":
                say("told", ok=term.rejected("db", 99))
            if act == "ready":
                say("told", ok=term.ready())
            if act == "tell":
                say("told", ok=term.ready() and term.drained())
            if act in ("return", "fail"):
                say("ended", atNs=now())
                if act == "fail":
                    raise RuntimeError("the work failed")
                return
        term.pause(0.02)
    lost.wait()
    say("lost", remainingMs=term.remaining() * 1000)
    while act == "stubborn" and not os.path.exists(release):
        time.sleep(0.02)
    time.sleep(0.1)
    say("ended", atNs=now())


path = os.environ.get("BATON_STATUS_PAGE")
client = baton.Baton("", "w/1" if act == "named" else "", StatusPage(path) if path else None)
signal.signal(signal.SIGTERM, lambda *_: client.stop())
try:
    client.lead(work)
    say("returned")
except RuntimeError as error:
    say("failed", why=str(error))
