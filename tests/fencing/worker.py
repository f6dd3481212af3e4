"""A leader's application: it asks the sidecar, seals, reads, and counts the store's counter up, fenced
and in the unfenced twin. Says what came of it, a line of JSON each; reports each refusal.
usage: SIDECAR=URL worker.py STORE ADDRESS KEYS   (one thread and one connection for each key)"""
import json
import os
import random
import sys
import threading
import time
import urllib.request

from stores import KINDS, STORES, Lost, Stale

SIDECAR = os.environ["SIDECAR"]


def say(key, what, **more):
    sys.stdout.write(json.dumps({"key": key, "what": what, **more}) + "\n")
    sys.stdout.flush()


def leadership():
    """The status document if this replica leads for half a second more, else None."""
    try:
        with urllib.request.urlopen(f"{SIDECAR}/leader?minRemaining=500ms", timeout=1) as answer:
            status = json.load(answer)
    except (OSError, ValueError):
        return None
    left_ns = int(status["deadlineBoottimeNs"]) - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return status if left_ns > 0 else None


def report(token, resource):
    """To the sidecar, which was stopped too: until it answers."""
    request = urllib.request.Request(
        f"{SIDECAR}/fencing/rejections", json.dumps({"token": token, "resource": resource}).encode(),
        {"Baton-Control": "1"}, method="POST")
    urllib.request.urlopen(request, timeout=120).close()


def insist(store, call, *arguments):
    """A connection that broke says nothing about leadership: the same write again, as people do."""
    for _ in range(300):
        try:
            return call(*arguments)
        except Lost as lost:
            reason = str(lost)
        try:
            store.connect()
        except Lost:
            time.sleep(0.1)
    raise RuntimeError(reason)


def middle():
    time.sleep(random.uniform(0.005, 0.02))


def work(kind, address, key):
    store = STORES[kind](address, key)
    term = refused = None
    was_standby = False
    while True:
        leader = leadership()
        if leader is None or leader["termId"] == refused:
            if not was_standby:
                say(key, "standby")
            was_standby = True
            time.sleep(0.05)
            continue
        was_standby = False
        token = leader["fencingToken"]
        try:
            if leader["termId"] != term:
                insist(store, store.seal, token)  # then read: nobody older writes any more
                counts = {kind: insist(store, store.read, kind) for kind in KINDS}
                term = leader["termId"]
                continue
            middle()
            for kind in reversed(KINDS):
                insist(store, store.write, kind, token, counts[kind] + 1, middle)
                counts[kind] += 1
            say(key, "written", token=int(token))
        except Stale as stale:
            refused, term = leader["termId"], None
            report(token, kind)
            say(key, "refused", token=int(token), highest=stale.args[0])


def guarded(*arguments):
    try:
        work(*arguments)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


if __name__ == "__main__":
    for key in range(int(sys.argv[3])):
        threading.Thread(target=guarded, args=(sys.argv[1], sys.argv[2], key)).start()
