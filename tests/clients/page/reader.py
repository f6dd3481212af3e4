"""The reader for Python, as tests/clients/page/run wants it."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "clients/python"))
from baton_page import StatusPage


def is_whole(term):
    return (term.term_id == f"term-{term.token}" and term.change == term.token
            and term.deadline_ns == 10**18 + term.token)


def stress(path, changes):
    page = StatusPage(path)
    reads = torn = last = 0
    while changes:
        term = page.leadership()
        if term is None:
            continue
        reads += 1
        torn += not is_whole(term) or term.token < last
        changes -= term.token != last
        last = term.token
    print(reads, torn)


if sys.argv[1] == "--stress":
    stress(sys.argv[2], int(sys.argv[3]))
else:
    for path in sys.argv[1:]:
        term = StatusPage(path).leadership()
        print(f"yes {term.token} {term.term_id} {term.state} {term.run} {term.change} {term.deadline_ns}"
              if term and term.remaining_s > 0 else "no")
