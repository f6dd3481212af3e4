"""A Redis client of what the tests need: one connection."""
import socket


class RedisError(Exception):
    """What Redis answered instead; it begins with a word in capitals."""


def encode(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


class Redis:
    def __init__(self, address):
        """A Unix socket's path, or (host, port)."""
        if isinstance(address, tuple):
            self._socket = socket.create_connection(address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self._socket = socket.socket(socket.AF_UNIX)
            try:
                self._socket.connect(str(address))
            except OSError:
                self._socket.close()
                raise
        self._input = self._socket.makefile("rb")

    def call(self, *words, middle=None):
        """`middle` is called when half of the request has been sent."""
        return self.ask(encode(*words), middle)

    def ask(self, request, middle=None):
        half = len(request) // 2 if middle else 0
        if middle:
            self._socket.sendall(request[:half])
            middle()
        self._socket.sendall(request[half:])
        return self._answer()

    def close(self):
        self._input.close()
        self._socket.close()

    def _answer(self):
        line = self._input.readline()
        if not line:
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._input.read(int(rest) + 2)[:-2]
        return None if rest == b"-1" else [self._answer() for _ in range(int(rest))]
