// A singleton worker: a piece of work each second, only while this Pod leads, each with the token.
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";

const sidecar = process.env.SIDECAR ?? "http://localhost:4040";
const store = process.env.STORE;
const pieceMs = 3000; // no piece of work takes longer, and none begins with less validity left

/** The status document if this Pod leads for pieceMs more, else null: no answer is no. */
async function leadership() {
  // Node has no CLOCK_BOOTTIME, so validity counts on its own clock from before the question.
  const askedAt = performance.now();
  try {
    const answer = await fetch(`${sidecar}/leader?minRemaining=${pieceMs}ms`,
      { signal: AbortSignal.timeout(1000) });
    const leader = await answer.json();
    return answer.ok ? { ...leader, deadline: askedAt + leader.validForMs } : null;
  } catch {
    return null;
  }
}

/** Tells the sidecar. Without an answer nothing is lost: then the clock ends the term. */
async function tell(path, fields) {
  try {
    const answer = await fetch(sidecar + path, {
      method: "POST", headers: { "Baton-Control": "1" }, body: JSON.stringify(fields),
      signal: AbortSignal.timeout(15000),
    });
    await answer.arrayBuffer();
  } catch (error) {
    console.log(`the sidecar does not answer: ${error.message}`);
  }
}

/** One piece of work. False if the store refused its token: somebody has a higher one. */
async function work(leader) {
  let status;
  try {
    const answer = await fetch(store, {
      method: "POST", headers: { "Baton-Fencing-Token": leader.fencingToken }, body: hostname(),
      signal: AbortSignal.timeout(Math.min(pieceMs, Math.floor(leader.deadline - performance.now()))),
    });
    await answer.arrayBuffer();
    status = answer.status;
  } catch (error) {
    status = error.message;
  }
  console.log(`token ${leader.fencingToken}: ${status}`);
  return status !== 409;
}

const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
let term = null; // worked in last
let refused = null; // refused last
while (!stop.signal.aborted) {
  const leader = await leadership();
  if (term && leader?.termId !== term) {
    await tell("/drained", { termId: term }); // so that the next leader need not wait for the clock
    term = null;
  }
  // Asked again of the own clock: this process may have been stopped since the answer was written.
  if (leader && leader.termId !== refused && leader.deadline > performance.now() + 1) {
    term = leader.termId;
    if (!(await work(leader))) {
      [refused, term] = [term, null];
      await tell("/fencing/rejections", { token: leader.fencingToken, resource: store });
      await tell("/resign?drained=true", { termId: refused });
    }
  }
  await pause(1000, null, { signal: stop.signal }).catch(() => {});
}
if (term) await tell("/resign?drained=true&wait=10s", { termId: term });
