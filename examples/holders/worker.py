"""One of several working containers of a Pod. Each holds a connection to the sidecar under its own
name, which promises: its work ends before the connection does. The Lease is released when all have."""
import http.client
import json
import os
import queue
import signal
import socket
import threading
import time
import urllib.error
import urllib.request

SIDECAR = os.environ.get("SIDECAR", "http://localhost:4040").removeprefix("http://")
STORE, HOLDER = os.environ["STORE"], os.environ["HOLDER"]
PIECE_S = 3  # no piece of work takes longer, and none begins with less validity left


def follow(answer, news):
    """Passes on each event of the stream, and None when it ends."""
    try:
        for line in answer:
            if line.startswith(b"data: "):
                news.put(json.loads(line[6:]))
    except (OSError, ValueError, http.client.HTTPException):
        pass
    news.put(None)


def remaining_s(leader):
    return (int(leader["deadlineBoottimeNs"]) - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) / 1e9


def work(leader):
    """One piece of work. False if the store refused its token: somebody has a higher one."""
    try:
        with urllib.request.urlopen(urllib.request.Request(
                STORE, f"{os.uname().nodename} {HOLDER}".encode(),
                {"Baton-Fencing-Token": leader["fencingToken"]}), timeout=PIECE_S) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except (OSError, http.client.HTTPException) as error:
        status = error
    print(f"token {leader['fencingToken']}: {status}", flush=True)
    return status != 409


def work_while_leading(news):
    """Returns when the leadership is lost or the stream ends: None, or the term if its token is refused."""
    leader = None
    next_at = time.monotonic()
    while not stop.is_set():
        try:
            event = news.get(timeout=max(0, next_at - time.monotonic()))
        except queue.Empty:
            next_at = time.monotonic() + 1
            # A silent sidecar extends no deadline.
            if leader and remaining_s(leader) >= PIECE_S and not work(leader):
                return leader["termId"]
            continue
        if event is None:
            break
        if leader and (not event["isLeader"] or event["termId"] != leader["termId"]):
            break
        leader = event if event["isLeader"] else None


stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
while not stop.is_set():
    connection = http.client.HTTPConnection(SIDECAR, timeout=20)  # a live one says something each 15 s
    try:
        connection.request("GET", f"/leader/events?hold=true&name={HOLDER}")
        news = queue.Queue()
        threading.Thread(target=follow, args=(connection.getresponse(), news), daemon=True).start()
        refused = work_while_leading(news)
        connection.sock.shutdown(socket.SHUT_RDWR)  # no work runs: that is the proof
        if refused:
            control = http.client.HTTPConnection(SIDECAR, timeout=5)
            control.request("POST", "/resign", json.dumps({"termId": refused}), {"Baton-Control": "1"})
            control.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass  # no answer is no
    time.sleep(0.2)
