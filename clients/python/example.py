import signal

from baton import Baton


def work(term):
    while term.pause(1):
        print(f"token {term.token}, {term.remaining():.1f} s left", flush=True)
    print("lost", flush=True)


baton = Baton()
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: baton.stop())
baton.lead(work)
