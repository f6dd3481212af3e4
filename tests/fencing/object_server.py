"""A bucket in memory, with the conditional writes of the object stores: GET and PUT of /NAME, an ETag
per version, If-Match and If-None-Match: * (412). GET /NAME?versions lists the bodies taken. It listens
on a free port, which it prints. usage: object_server.py"""
import hashlib
import http.server
import json
import threading

def etag(body):
    """Of the content, as the large stores have it: what was written before has its ETag again."""
    return f'"{hashlib.md5(body.encode()).hexdigest()}"'


versions = {}  # by name: the bodies taken, in order
lock = threading.Lock()


class Bucket(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name, _, query = self.path.partition("?")
        with lock:
            taken = list(versions.get(name, []))
        if query == "versions":
            self.answer(200, json.dumps(taken).encode())
        elif taken:
            self.answer(200, taken[-1].encode(), etag(taken[-1]))
        else:
            self.answer(404)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        expected, none = self.headers["If-Match"], self.headers["If-None-Match"]
        with lock:
            taken = versions.setdefault(self.path, [])
            if expected and not taken:
                status = 404
            elif (expected and expected != etag(taken[-1])) or (none == "*" and taken):
                status = 412
            else:
                status = 200
                taken.append(body)
        self.answer(status, b"", etag(body) if status == 200 else None)

    def answer(self, status, body=b"", version=None):
        self.send_response(status)
        if version:
            self.send_header("ETag", version)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
print(server.server_address[1], flush=True)
server.serve_forever()
