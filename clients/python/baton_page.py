"""baton's status page for Python: does this Pod lead? Copy this file; it needs Python 3.8 on Linux.

    page = StatusPage("/run/baton-status/page")
    while term := page.leadership():
        write(token=term.token, timeout=min(3, term.remaining_s))

docs/status-page.md has the layout and the protocol. Promised: never a yes after the page's deadline, on
CLOCK_BOOTTIME read last; never a mixture of two writes; no file, a short one, another boot's, a later version's,
one that a dead sidecar has left half written: no. Any thread may ask. Python cannot order its loads on every
processor, so a copy counts only with its sum.
"""
import mmap
import os
import stat
import struct
import time
import typing
import zlib

_SIZE = 4096
_FIELDS = struct.Struct("<8sQQ qQQQQ 40s64s Q")  # magic, version, sequence; the body; its sum
_BODY = slice(24, 168)
_TRIES = 200  # each lets the writer have the processor


class Leadership(typing.NamedTuple):
    token: int
    term_id: str
    state: int  # 3 warming, 4 leading, 5 uncertain
    run: int
    change: int
    deadline_ns: int  # on CLOCK_BOOTTIME
    remaining_s: float


class StatusPage:
    def __init__(self, path):
        self._path = path
        self._page = None
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            self._boot_id = file.read().strip()

    def leadership(self):
        """None: this Pod does not lead."""
        page = self._page = self._page or self._open()
        for _ in range(_TRIES if page else 0):
            copy = page[:_FIELDS.size]
            magic, version, sequence, deadline_ns, token, state, run, change, boot_id, term_id, total = _FIELDS.unpack(copy)
            if sequence == 0 or sequence % 2 == 0 and (magic != b"BATONPAG" or version != 1):
                return None
            if sequence % 2 == 0 and zlib.crc32(copy[_BODY]) == total:
                now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                if boot_id.rstrip(b"\0") != self._boot_id or now_ns >= deadline_ns:
                    return None
                return Leadership(token, term_id.rstrip(b"\0").decode("ascii"), state, run, change, deadline_ns,
                                  (deadline_ns - now_ns) / 1e9)
            os.sched_yield()
        return None

    def _open(self):
        """The writer takes the memory of all of the page and never gives any back: no SIGBUS."""
        try:
            with open(self._path, "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or status.st_size < _SIZE:
                    return None
                return mmap.mmap(file.fileno(), _SIZE, prot=mmap.PROT_READ)
        except OSError:
            return None
