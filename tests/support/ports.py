"""Ports of 127.0.0.1 for tests and benches, of the same blocks as support/process.cc gives away."""
import socket
import threading

BLOCK = 100
_lock = threading.Lock()


def _blocks():
    for first in range(10000, 30000, BLOCK):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0baton-test-ports-{first}")
        except OSError:
            claim.close()
            continue
        claim.detach()  # this process's until it ends
        yield from range(first, first + BLOCK)
    raise RuntimeError("every port of 10000 to 29999 is some test's")


_ports = _blocks()


def free_port():
    """One that nobody listens on, that neither another test process nor an outgoing connection is
    given, and that was not given before."""
    with _lock:
        for port in _ports:
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue
