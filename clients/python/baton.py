"""baton for Python: run work only while this Pod leads. Copy this file; it needs Python 3.8 on Linux.

    def work(term):                        # called once for each term that this Pod leads
        while term.pause(1):               # true: a second has passed and the term still holds
            write(headers=term.headers(), timeout=min(3, term.remaining()))

    Baton().lead(work)

Promised
- work() starts only after the sidecar's yes, over a connection that is still open, and before its deadline.
- leading(), remaining() and pause() ask CLOCK_BOOTTIME at that moment: no thread, timer or answer need
  come in time. Once a term is over they say so for ever.
- No answer is no: refused, silent, garbled, cut off, the last deadline holds and nothing longer.
- With the status page, Baton(page=StatusPage(PATH)) of baton_page.py, they ask that too: a term that is not on
  it with this token at that moment is over. The page takes away and never adds.
- Another term id is a loss, then a gain, also if the Pod never ceased to lead.
- The connection that tells the sidecar that work runs (hold=true) is closed by this file only while
  no work() runs. So end in work() what it began: threads, requests and child processes too.

Not promised
- That work stops: Python cannot stop it. Ask before each piece, bound each by remaining(), or use on_loss().
- That a process paused between asking and acting does nothing late: only a resource that checks the token
  can refuse that. Send headers() with each effect; tell a refusal by rejected().
- That what got no answer, 502 or 504 did not happen. Send it again, with the same idempotency key.

After a loss work() is to return; what it raises then is taken for its consequence and dropped. If it returns
or raises while it leads, the term is resigned and lead() ends with it. stop() ends lead(): call it at SIGTERM.

The example, beside a running scripts/quickstart, from the top folder:
    python3 clients/python/example.py
"""
import ipaddress
import json
import os
import re
import select
import socket
import threading
import time
import traceback
import urllib.parse

_TICK_S = 0.25  # waits are cut into these, so that a machine that was suspended is noticed
_RETRY_S = 0.25  # from one try to connect to the next
_CONNECT_S = 1
_ANSWER_S = 5  # for the head of an answer, and for the answer to a call
_SILENCE_S = 40  # of a stream that beats every 15 s
_LONGEST = 65536  # bytes of a head or an event
_TERM_ID = re.compile(r"[0-9A-Za-z._-]{1,100}")
_NAME = re.compile(r"[0-9A-Za-z._-]{1,253}")
_WHOLE = re.compile(r"[1-9][0-9]{0,17}")  # tokens end at 10^18-1, deadlines after 31 years


def boottime_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Term:
    """One leadership as one call of work() sees it. Any thread may call any method."""

    def __init__(self, baton, answer):
        self.term_id, self.token, self._deadline_ns, self.scope = answer  # scope: NAMESPACE/ELECTION
        self._baton = baton
        self._over = self._lapsed = self._given_up = False
        self._hooks = []

    def remaining(self):
        """Seconds until the deadline as it is known now; 0 once the term is over."""
        with self._baton._changed:
            shown = not self._over and self._baton._shows(self)  # first: the clock is looked at last
            left = 0 if self._over else self._deadline_ns - boottime_ns()
            if shown and left > 0:
                return left / 1e9
            self._lapsed |= not self._over and left <= 0
            self._over = True  # for ever, whatever comes later
            return 0

    def leading(self):
        return self.remaining() > 0

    def pause(self, seconds):
        """Sleeps so long, or until the term is over. True if it still holds."""
        until = time.monotonic() + seconds
        with self._baton._changed:
            while (left := min(self.remaining(), until - time.monotonic())) > 0:
                self._baton._changed.wait(min(left, _TICK_S))
            return self.leading()

    def on_loss(self, hook):
        """Has hook() called once, by another thread, if the term ends before work() has returned."""
        with self._baton._changed:
            self._hooks.append(hook)
        self._baton._wake()

    def rejected(self, resource="", highest_token=0):
        """A resource refused the token: somebody has a higher one. Ends the term, reports it, and has the
        term resigned when work() has returned. True if the sidecar took the report."""
        self._end(given_up=True)
        fields = {"token": str(self.token)}
        fields.update({"resource": resource} if resource else {})
        fields.update({"highestToken": str(highest_token)} if highest_token else {})
        return self._baton._post("/fencing/rejections", fields) == 204

    def drained(self):
        """This term's work has ended, though work() runs on: ends the term and has it released now."""
        self._end(given_up=True)
        return self._baton._say_drained("/drained", self.term_id)

    def ready(self):
        """The application has recovered its state (the sidecar's gate on warming up, if it is set)."""
        return self._baton._post("/ready-to-lead", {"termId": self.term_id}) in (200, 202)

    def headers(self, scope=""):
        """Of a request or message that has an effect: the token, and the scope that its receiver fences by:
        the election's, or another that was agreed on with it (1 to 512 visible ASCII characters)."""
        return {"Baton-Fencing-Token": str(self.token),
                "Baton-Fencing-Scope": _visible(scope, 512, "a scope") if scope else self.scope}

    def idempotency_key(self, operation):
        """Of (token, operation id), for effects that check no token: the same for each try in this term,
        so that one of unknown outcome can be sent again. In a later term it is another one; what must never
        happen twice takes the operation id alone."""
        return f"{self.token}:{_visible(operation, 200, 'an operation id')}"

    def _end(self, given_up=False):
        with self._baton._changed:
            self._over = True
            self._given_up |= given_up
            self._baton._changed.notify_all()
        self._baton._wake()


class Baton:
    """The sidecar. `address`: as BATON_LOCAL_ADDRESS, which it defaults to. `holder`: the own name where
    the sidecar's setting `holders` names several working containers. `page`: its status page, a
    StatusPage of baton_page.py; without one the deadline of the last answer alone counts."""

    def __init__(self, address="", holder="", page=None):
        self._addresses = _parse_addresses(
            address or os.environ.get("BATON_LOCAL_ADDRESS") or "localhost:4040")
        self._holder = holder
        self._page = page
        self._changed = threading.Condition()  # its lock is reentrant: a signal handler may call stop()
        self._stopping = self._closing = self._hooking = False
        self._watcher = None
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        self._term = None  # while work() runs
        self._answer = None  # the last of the stream that is open: (term id, token, deadline, scope), () for no
        self._done = ""  # the term that was given up, never to be worked in again
        self.problem = ""  # why there is no answer, for people

    def lead(self, work):
        """Calls work(term) for each term until stop(), or until it returns while leading."""
        with self._changed:
            if self._watcher:
                raise RuntimeError("lead() runs already")
            self._closing = False
            self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        try:
            while (term := self._next_term()) and not self._run(term, work):
                pass
        finally:
            with self._changed:
                self._closing, self._term = True, None  # whatever was raised, work() has returned
            self._wake()
            self._watcher.join()
            self._watcher = None

    def stop(self):
        """Ends the term; lead() returns when work() has, and if it is called later. Any thread, a signal
        handler too."""
        with self._changed:
            self._stopping = True
            if self._term:
                self._term._over = True
            self._changed.notify_all()
        self._wake()

    def _next_term(self):
        with self._changed:
            while not self._stopping:
                answer = self._answer
                if answer and answer[0] != self._done and boottime_ns() < answer[2]:
                    term = Term(self, answer)
                    shown = self._shows(term)
                    self.problem = "" if shown else "the status page does not say that this Pod leads"
                    if shown:
                        self._term = term
                        return term
                self._changed.wait(_TICK_S)
            return None

    def _shows(self, term):
        """Whether the status page says that this term runs. Where there is none nothing says otherwise."""
        if self._page is None:
            return True
        shown = self._page.leadership()
        return shown is not None and (shown.term_id, shown.token) == (term.term_id, term.token)

    def _run(self, term, work):
        """True if work() ended by itself."""
        failure = None
        try:
            if term.leading():
                work(term)
        except BaseException as raised:
            failure = raised
        with self._changed:
            by_itself = term.leading()
            term._over = True
            term._hooks.clear()  # one that has begun is waited for: none may meet what comes after this term
            while self._hooking:
                self._changed.wait(_TICK_S)
            gives_up = by_itself or term._given_up or self._stopping
            told_no = (self._answer is not None and self._answer[:1] != (term.term_id,)
                       or not term._lapsed and not self._shows(term))
        if gives_up:
            self._say_drained("/resign?drained=true", term.term_id)
        elif told_no:  # so that the next leader need not wait for the clock
            self._say_drained("/drained", term.term_id)
        with self._changed:
            self._done = term.term_id if gives_up else self._done
            self._term = None
        self._wake()
        if failure and (by_itself or not isinstance(failure, Exception)):
            raise failure
        return by_itself

    def _take(self, answer):
        with self._changed:
            self._answer = answer
            term = self._term
            if term and answer is not None and term.leading():  # first: what has lapsed stays so
                if answer[:2] == (term.term_id, term.token):
                    term._deadline_ns = answer[2]
                else:
                    term._over = True
            self._changed.notify_all()

    # The watcher's thread: holds the stream, ends terms in time, runs hooks.

    def _watch(self):
        while not self._closing:
            stream = self._connect()
            if stream:
                with stream:
                    self._hold(stream)
            else:
                self._wait(_RETRY_S)

    def _hold(self, stream):
        events = _Events()
        opened = heard = time.monotonic()
        while True:
            if self._wait(_TICK_S, stream):
                try:
                    data = stream.recv(_LONGEST)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                heard = time.monotonic()
                if not data:
                    self.problem = "the sidecar ended the stream"
                    break
                try:
                    for answer in events.feed(data):
                        self.problem = ""
                        self._take(answer)
                except Exception as error:  # whatever it is, the stream stays open as long as work runs
                    events.broken, self.problem = True, str(error)
                    self._take(None)
            now = time.monotonic()
            is_late = now - heard > _SILENCE_S if events.status else now - opened > _ANSWER_S
            with self._changed:
                if self._term and self._term._lapsed:  # what comes now is too late
                    events.broken, self._answer = True, None
                ends = self._closing or events.broken or is_late
                # A refusal holds nothing. Else nobody may close this while work() runs.
                if events.is_refused or (ends and not self._term):
                    self._answer = None
                    break
        self._take(None)
        stream.close()
        self._wait(_RETRY_S)

    def _wait(self, seconds, stream=None):
        """So long at most. True if the stream has something to read."""
        with self._changed:
            seconds = min(seconds, self._term and self._term.remaining() or seconds)
        poll = select.poll()
        for one in filter(None, (self._bell, stream)):
            poll.register(one, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll(seconds * 1000)]
        if self._bell.fileno() in ready:
            self._bell.recv(4096)
        self._run_hooks()
        return stream is not None and stream.fileno() in ready

    def _run_hooks(self):
        with self._changed:
            term = self._term
            if not term or term.leading() or not term._hooks:
                return
            hooks, term._hooks = term._hooks, []
            self._hooking = True
            self._changed.notify_all()
        for hook in hooks:
            try:
                hook()
            except Exception:
                traceback.print_exc()
        with self._changed:
            self._hooking = False
            self._changed.notify_all()

    def _wake(self):
        try:
            self._ringer.send(b"!")
        except BlockingIOError:
            pass  # it rings already

    def _named(self, path):
        return path + (f"&name={urllib.parse.quote(self._holder, '')}" if self._holder else "")

    def _connect(self):
        """A stream, asked for but not yet answered; None if nobody is there."""
        for _ in self._addresses:
            with self._changed:
                limit = min(_CONNECT_S, self._term and self._term.remaining() or _CONNECT_S)
            try:
                stream = _request(self._addresses[0], limit,
                                  "GET " + self._named("/leader/events?hold=true"), "")
                stream.setblocking(False)
                return stream
            except OSError as error:
                self.problem = f"{self._addresses[0][1]}: {error}"
                self._addresses = self._addresses[1:] + self._addresses[:1]
        return None

    def _say_drained(self, path, term_id):
        fields = {"termId": term_id}
        if path == "/drained" and self._holder:
            fields["name"] = self._holder
        return self._post(path if path == "/drained" else self._named(path), fields) in (200, 202)

    def _post(self, path, fields):
        """The status; 0 without an answer. Nothing is lost then: the clock ends the term."""
        until = time.monotonic() + _ANSWER_S
        for address in self._addresses:
            try:
                call = _request(address, _CONNECT_S, "POST " + path, json.dumps(fields))
            except OSError:
                continue
            with call:
                text = b""
                try:
                    while b"\n" not in text and len(text) < _LONGEST:
                        call.settimeout(max(0.001, until - time.monotonic()))
                        piece = call.recv(4096)
                        if not piece:
                            break
                        text += piece
                except OSError:
                    pass
                found = re.match(rb"HTTP/1\.[01] (\d{3})\b", text)
                return int(found[1]) if found else 0
        return 0


def _visible(text, most, what):
    if not re.fullmatch(f"[!-~]{{1,{most}}}", text):
        raise ValueError(f"{what} has 1 to {most} visible ASCII characters")
    return text


class _Events:
    """The answer to the request for the stream, from its bytes. HTTP/1.0, so the body is the events."""

    def __init__(self):
        self.status, self.broken = 0, False
        self._text, self._data = b"", b""

    @property
    def is_refused(self):
        return self.status not in (0, 200)

    def feed(self, data):
        """The answers that have become whole. ValueError: this is no such stream, or one too long."""
        if self.broken or self.is_refused:
            return
        self._text += data
        if not self.status:
            head, found, rest = self._text.partition(b"\r\n\r\n")
            if len(head) > _LONGEST:
                raise ValueError("no HTTP answer: its head does not end")
            if not found:
                return
            self._text = rest
            self._read_head(head.decode("latin-1"))
        *lines, self._text = self._text.split(b"\n")
        for line in [] if self.is_refused else lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                self._data += line[5:]
            elif not line and self._data:
                answer, self._data = _read_answer(self._data), b""
                if answer is not None:
                    yield answer
        if len(self._text) + len(self._data) > _LONGEST:
            raise ValueError("an event does not end")

    def _read_head(self, head):
        first = re.match(r"HTTP/1\.[01] (\d{3})\b", head)
        if not first:
            raise ValueError("no HTTP answer: does something else listen there?")
        self.status = int(first[1])
        if self.is_refused:
            raise ValueError("refused: " + head.split("\r\n")[0])
        if not re.search(r"\r\ncontent-type:[ \t]*text/event-stream[ \t]*(;|\r|$)", head, re.I) or re.search(
                r"\r\ntransfer-encoding:", head, re.I):
            raise ValueError("not a plain event stream: does something else listen there?")


def _read_answer(data):
    """(term id, token, deadline, scope), () for no, None if that is no status document."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not isinstance(document.get("isLeader"), bool):
        return None
    term_id, token, deadline, valid_ms, namespace, election = map(document.get, (
        "termId", "fencingToken", "deadlineBoottimeNs", "validForMs", "namespace", "election"))
    texts = ((_TERM_ID, term_id), (_WHOLE, token), (_WHOLE, deadline), (_NAME, namespace), (_NAME, election))
    if not document["isLeader"] or type(valid_ms) is not int or not all(
            isinstance(text, str) and form.fullmatch(text) for form, text in texts):
        return ()
    # More left than the sidecar saw when it wrote that: its clock is not ours. No yes can be trusted then.
    if not 0 < int(deadline) - boottime_ns() <= (valid_ms + 1) * 1_000_000:
        return ()
    return term_id, int(token), int(deadline), f"{namespace}/{election}"


def _request(address, limit, what, body):
    family, where = address
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(limit)
        connection.connect(where)
        connection.sendall((f"{what} HTTP/1.0\r\nHost: localhost\r\nBaton-Control: 1\r\n"
                            f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
        return connection
    except BaseException:
        connection.close()
        raise


def _parse_addresses(text):
    loopback = {"localhost": ["127.0.0.1", "[::1]"], "": ["127.0.0.1", "[::1]"], "0.0.0.0": ["127.0.0.1"],
                "[::]": ["[::1]"]}
    found = []
    for part in map(str.strip, text.split(",")):
        if part.startswith("unix:/"):
            found.append((socket.AF_UNIX, part[5:]))
            continue
        parts = re.fullmatch(r"(.*):([0-9]{1,5})", part)
        if not parts or not 0 < int(parts[2]) < 65536:
            raise ValueError(f"address {part!r}: write 127.0.0.1:4040, [::1]:4040 or unix:/path")
        for host in loopback.get(parts[1], [parts[1]]):  # numbers only: a name would be asked for
            if host.startswith("["):
                found.append((socket.AF_INET6, (str(ipaddress.IPv6Address(host[1:-1])), int(parts[2]))))
            else:
                found.append((socket.AF_INET, (str(ipaddress.IPv4Address(host)), int(parts[2]))))
    return found
