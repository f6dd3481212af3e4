"""WSGI middleware that fences: only requests with the highest fencing token seen, or a higher one,
reach the application, one at a time. Processes of one machine may share the file.

    application = Fence(application, "/data/fence", "shop/orders")

A line of the file is a token; the last is the highest. Make it once, with a 0 in it.
"""
import fcntl
import io
import os
import re

LIMIT = 1 << 20  # bytes of a body


class Fence:
    def __init__(self, application, file, scope):
        self.application, self.file, self.scope = application, file, scope
        with open(file) as opened:  # a missing or damaged one is told of at start
            self._highest(opened)

    def __call__(self, environ, start_response):
        def refuse(status, reason, *headers):
            start_response(status, [("Content-Type", "text/plain"), *headers])
            return [(reason + "\n").encode()]

        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > LIMIT:
            return refuse("413 Content Too Large", f"more than {LIMIT} bytes")
        # All of it before the lock: who stops in its middle keeps nobody waiting.
        body = environ["wsgi.input"].read(length)
        if len(body) < length:
            return refuse("400 Bad Request", "the body is shorter than its Content-Length")
        environ["wsgi.input"] = io.BytesIO(body)

        # WSGI joins two headers of one name with a comma, which is in no token.
        token = environ.get("HTTP_BATON_FENCING_TOKEN", "")
        scope = environ.get("HTTP_BATON_FENCING_SCOPE", "")
        if not re.fullmatch("[1-9][0-9]{0,17}", token, re.ASCII):
            return refuse("400 Bad Request", f"not a fencing token: {token!r}")
        if scope != self.scope:
            return refuse("403 Forbidden", f"a token of scope {scope!r}; here it is {self.scope!r}")

        with open(self.file, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            highest = self._highest(file)
            if int(token) < highest:
                return refuse("409 Conflict", f"stale fencing token {token}: the highest is {highest}",
                              ("Baton-Highest-Token", str(highest)))
            if int(token) > highest:
                file.write(f"\n{token}\n")  # on a line of its own also after one cut short by a crash
                file.flush()
                os.fsync(file.fileno())
            return list(self.application(environ, start_response))  # its work ends within the lock

    def _highest(self, file):
        lines = file.read().rpartition("\n")[0].split()
        if not lines or not re.fullmatch("[0-9]{1,18}", lines[-1], re.ASCII):
            raise ValueError(f"{self.file} is damaged: its last line is no token. Put in the highest"
                             " token that this service may have taken")
        return int(lines[-1])
