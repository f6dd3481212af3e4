"""A store that fences: of each resource it takes no effect whose token is below the highest it has
seen. POST /RESOURCE with the header Baton-Fencing-Token; 409 refuses. Prints a line per effect."""
import http.server
import json
import os
import signal
import sys
import threading
import time

FILE = os.environ.get("STATE", "/data/tokens.json")  # a real store keeps the token with its data
lock = threading.Lock()
highest = {}


def take(resource, token):
    """Is `token` high enough? If it is higher than any before, that is on disk first."""
    if token > highest.get(resource, 0):
        with open(FILE + ".new", "w") as file:
            json.dump({**highest, resource: token}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(FILE + ".new", FILE)
        highest[resource] = token
    return token == highest.get(resource, 0)


class Effects(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        token = self.headers.get("Baton-Fencing-Token", "")
        with lock:
            is_token = token.isascii() and token.isdigit() and 0 < len(token) < 19
            status = 400 if not is_token else 200 if take(self.path, int(token)) else 409
            print(json.dumps({"boottimeNs": time.clock_gettime_ns(time.CLOCK_BOOTTIME),
                              "resource": self.path, "token": token, "status": status,
                              "body": body}), flush=True)
        self.send_response(status)
        if self.path in highest:
            self.send_header("Baton-Highest-Token", str(highest[self.path]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    if os.path.exists(FILE):
        with open(FILE) as file:
            highest = json.load(file)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    address = ("", int(os.environ.get("PORT", "8080")))
    http.server.ThreadingHTTPServer(address, Effects).serve_forever()
