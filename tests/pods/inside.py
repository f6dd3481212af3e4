"""Runs a program in the network of e2e/cluster's node, which is brought up for it where none is up."""
import fcntl
import os
import shutil
import signal
import subprocess
import sys

import pods


def is_inside():
    return "BATON_PODS_INSIDE" in os.environ


def run(program, words, keep=False):
    """Its exit status. A node that was brought up for it is taken down after it, unless `keep`."""
    lock = open(f"{pods.NODE}.lock", "w")  # until this process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        shutil.rmtree(pods.WORK)
        sys.exit(f"{program}: another run uses the node {pods.NODE}; wait for its end, or give this one a node of "
                 "its own: BATON_NODE=FOLDER")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    is_mine = pods.run(pods.ROOT / "e2e/cluster", "enter", "true", check=False).returncode != 0
    node = str(pods.ROOT / "e2e/cluster")
    shutil.rmtree(pods.WORK)
    if is_mine and os.spawnl(os.P_WAIT, node, node, "up"):
        return 1
    inside = subprocess.Popen([node, "enter", "setpriv", "--pdeathsig", "TERM", pods.ROOT / program, *words],
                              env={**os.environ, "BATON_PODS_INSIDE": "1"})
    try:
        return inside.wait()
    finally:
        inside.terminate()  # where this is told to end: first who writes into the node's folder, then the folder
        inside.wait()
        if is_mine and not keep:
            os.spawnl(os.P_WAIT, node, node, "down")
