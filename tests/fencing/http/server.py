"""A service behind examples/fencing/http/fence.py, and its unfenced twin. usage: server.py DIR PORT"""
import pathlib
import socketserver
import sys
import threading
import wsgiref.simple_server

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples/fencing/http"))
import fence  # noqa: E402

folder, port = pathlib.Path(sys.argv[1]), int(sys.argv[2])


def effect(kind, keys=None):
    """With a set of `keys`: what comes twice with one Idempotency-Key has one effect."""
    lock = threading.Lock()

    def application(environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        with lock, open(folder / f"{kind}.journal", "ab") as journal:
            key = None if keys is None else environ["HTTP_IDEMPOTENCY_KEY"]
            if key is None or key not in keys:
                journal.write(body)
            if key is not None:
                keys.add(key)
        start_response("200 OK", [("Content-Length", "0")])
        return []
    return application


# /open is for who stands behind `baton fence`.
routes = {"/twin": effect("twin"), "/open": effect("fenced", set()),
          "/fenced": fence.Fence(effect("fenced"), str(folder / "fence"), "shop/orders")}


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class Handler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


def application(environ, start_response):
    return routes[environ["PATH_INFO"]](environ, start_response)


wsgiref.simple_server.make_server("127.0.0.1", port, application, Server, Handler).serve_forever()
