"""Fencing by conditional writes: one object per scope carries the highest token beside its state, and
each write names the version (ETag) that it replaces."""
import json
import re
import urllib.error
import urllib.request


class Refused(Exception):
    """Nothing was written. `highest` is the highest token seen if the own one is stale, else None."""

    def __init__(self, reason, highest=None):
        super().__init__(reason)
        self.highest = highest


def put(url, body, **conditions):
    headers = {"Content-Type": "application/json"}
    headers.update({name.replace("_", "-"): value for name, value in conditions.items()})
    request = urllib.request.Request(url, body, headers, method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["ETag"]


def create(url, scope, state):
    """Once, where the bucket is made: a missing object refuses every leader."""
    put(url, json.dumps({"scope": scope, "token": "0", "state": state}).encode(), If_None_Match="*")


class Leader:
    """One term's right to write. The constructor seals; `state` is what it found."""

    def __init__(self, url, scope, token, put=put):
        if not isinstance(token, str) or not re.fullmatch("[1-9][0-9]{0,17}", token, re.ASCII):
            raise Refused(f"not a fencing token: {token!r}; tokens are 1 to 999999999999999999")
        self.url, self.scope, self.token, self.put = url, scope, token, put
        self._read()
        while not self._replace(self.state):  # somebody wrote meanwhile: what it wrote is kept
            self._read()

    def write(self, state):
        """Replaces the state. After an unknown outcome (OSError) begin with a new Leader."""
        if not self._replace(state):
            self._read()  # refuses if a higher token has sealed it
            raise Refused("the object was written by another writer of this term, or by hand")
        self.state = state

    def _replace(self, state):
        body = json.dumps({"scope": self.scope, "token": self.token, "state": state}).encode()
        try:
            self.version = self.put(self.url, body, If_Match=self.version)
            return True
        except urllib.error.HTTPError as error:
            if error.code in (409, 412):  # 409: S3's word for a race of two writes
                return False
            raise

    def _read(self):
        try:
            with urllib.request.urlopen(self.url, timeout=10) as answer:
                self.version, document = answer.headers["ETag"], json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise Refused("the object is missing: lost, or never created") from None
            raise
        if document["scope"] != self.scope:
            raise Refused(f"a token of scope {self.scope!r}, but the object has {document['scope']!r}")
        highest, self.state = int(document["token"]), document["state"]
        if int(self.token) < highest:
            raise Refused(f"stale fencing token {self.token}: the highest seen is {highest}", highest)
