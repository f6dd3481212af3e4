"""A service that only the leader gives: GET / answers 200 with the Pod and its token, or 503. The
Service sends requests to the Pod that is Ready; a request that comes late is refused here."""
import http.client
import http.server
import json
import os
import signal
import sys
import urllib.request

SIDECAR = os.environ.get("SIDECAR", "http://localhost:4040")


def leadership():
    """The status document if this Pod leads for a second more, else None: no answer is no."""
    try:
        with urllib.request.urlopen(f"{SIDECAR}/leader?minRemaining=1s", timeout=1) as answer:
            return json.load(answer)
    except (OSError, ValueError, http.client.HTTPException):
        return None


class Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        leader = leadership()
        body = json.dumps({"pod": os.uname().nodename,
                           "fencingToken": leader and leader["fencingToken"]}).encode()
        self.send_response(200 if leader else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    address = ("", int(os.environ.get("PORT", "8080")))
    http.server.ThreadingHTTPServer(address, Service).serve_forever()
