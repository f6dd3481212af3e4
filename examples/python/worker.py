"""A singleton worker: a piece of work each second, only while this Pod leads, each with the token."""
import http.client
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request

SIDECAR = os.environ.get("SIDECAR", "http://localhost:4040")
STORE = os.environ["STORE"]
PIECE_S = 3  # no piece of work takes longer, and none begins with less validity left


def post(url, body, timeout, **headers):
    """The status; OSError if there is no answer."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers),
                                    timeout=timeout) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except http.client.HTTPException as error:
        raise OSError(error) from error


def tell(path, **fields):
    """Tells the sidecar. Without an answer nothing is lost: then the clock ends the term."""
    try:
        post(SIDECAR + path, json.dumps(fields), 15, Baton_Control="1")
    except OSError as error:
        print(f"the sidecar does not answer: {error}", flush=True)


def leadership():
    """The status document if this Pod leads for PIECE_S more, else None: no answer is no."""
    try:
        with urllib.request.urlopen(f"{SIDECAR}/leader?minRemaining={PIECE_S}s", timeout=1) as answer:
            return json.load(answer)
    except (OSError, ValueError, http.client.HTTPException):
        return None


def remaining_s(leader):
    return (int(leader["deadlineBoottimeNs"]) - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) / 1e9


def work(leader, within_s):
    """One piece of work. False if the store refused its token: somebody has a higher one."""
    try:
        status = post(STORE, os.uname().nodename, min(PIECE_S, within_s),
                      Baton_Fencing_Token=leader["fencingToken"])
    except OSError as error:
        status = error
    print(f"token {leader['fencingToken']}: {status}", flush=True)
    return status != 409


stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
term, refused = None, None  # the terms worked in last, and refused last
while not stop.is_set():
    leader = leadership()
    if term and (leader is None or leader["termId"] != term):
        tell("/drained", termId=term)  # so that the next leader need not wait for the clock
        term = None
    # Asked again of the own clock: this process may have been stopped since the answer was written.
    if leader and leader["termId"] != refused and (left_s := remaining_s(leader)) > 0:
        term = leader["termId"]
        if not work(leader, left_s):
            refused, term = term, None
            tell("/fencing/rejections", token=leader["fencingToken"], resource=STORE)
            tell("/resign?drained=true", termId=refused)
    stop.wait(1)
if term:
    tell("/resign?drained=true&wait=10s", termId=term)
