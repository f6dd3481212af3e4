/** The conformance program in TypeScript: README.md in this folder says what it prints. usage: [ACT [FILE]] */
import { existsSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Baton, type Term } from "./baton.js";

const [act = "", release = ""] = process.argv.slice(2);

function say(what: string, fields: object = {}): void {
  console.log(JSON.stringify({ what, ...fields }));
}

function now(): number { // cut to hundredths of a second
  const [seconds, hundredths] = readFileSync("/proc/uptime", "latin1").split(/[. ]/);
  return Number(seconds! + hundredths!) * 10_000_000;
}

function refuses(call: () => unknown): boolean {
  try {
    call();
    return false;
  } catch (error) {
    return error instanceof RangeError;
  }
}

async function work(term: Term): Promise<void> {
  const lost = once(term.signal, "abort");
  say("started", {
    atNs: now(), token: String(term.token), termId: term.termId, remainingMs: term.remaining(),
    key: term.idempotencyKey("op-1"), headers: term.headers(), asked: term.headers("shop/bills"),
    refuses: refuses(() => term.headers("a\r\nB: c")) && refuses(() => term.idempotencyKey("op 1")),
  });
  for (let acted = false; ; ) {
    const atNs = now();
    if (!term.leading()) break;
    say("work", { atNs });
    if (!acted) {
      acted = true;
      if (act === "reject") say("told", { ok: await term.rejected("db", 99n) });
      if (act === "ready") say("told", { ok: await term.ready() });
      if (act === "tell") say("told", { ok: await term.ready() && await term.drained() });
      if (act === "return" || act === "fail") {
        say("ended", { atNs: now() });
        if (act === "fail") throw new Error("the work failed");
        return;
      }
    }
    await term.pause(20);
  }
  await lost;
  say("lost", { remainingMs: term.remaining() });
  while (act === "stubborn" && !existsSync(release)) await sleep(20);
  await sleep(100);
  say("ended", { atNs: now() });
  throw new Error("is dropped: the term was lost");
}

const baton = new Baton("", act === "named" ? "w/1" : "");
process.on("SIGTERM", () => baton.stop());
try {
  await baton.lead(work);
  say("returned");
} catch (error) {
  say("failed", { why: (error as Error).message });
}
