"""A service that knows nothing of tokens: it counts what it is sent."""
import http.server
import itertools

entries = itertools.count(1)


class Ledger(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = f"entry {next(entries)}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


http.server.ThreadingHTTPServer(("127.0.0.1", 8081), Ledger).serve_forever()
