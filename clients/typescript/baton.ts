/**
 * baton for TypeScript: run work only while this Pod leads. Copy this file; it needs Node 20 on Linux. Node 20 does
 * not know types: tsc compiles it, by the packages typescript and @types/node, for development alone. The types only
 * have to be erased (--erasableSyntaxOnly), so a later Node that strips them needs no compiler.
 *
 *     await new Baton().lead(async (term) => {       // called once for each term that this Pod leads
 *       while (await term.pause(1000)) {             // true: a second has passed and the term still holds
 *         await write(term.headers(), AbortSignal.any([term.signal, AbortSignal.timeout(3000)]));
 *       }
 *     });
 *
 * Promised:
 * - Work starts only after the sidecar's yes, over a connection that is still open, and before its deadline.
 * - leading(), remaining() and pause() ask the sidecar's clock, CLOCK_BOOTTIME, at that moment: no timer or answer
 *   need come in time. Node has that clock only as /proc/uptime, which is cut to hundredths of a second: a deadline
 *   counts as passed up to 10 ms early, never late. Once a term is over they say so for ever.
 * - No answer is no: refused, silent, garbled, cut off, the last deadline holds and nothing longer.
 * - Another term id is a loss, then a gain, also if the Pod never ceased to lead.
 * - The connection that tells the sidecar that work runs (hold=true) is closed by this file only while no work
 *   runs. So await in it what it began: promises, workers and child processes too.
 *
 * Not promised:
 * - That work stops, nor that `signal` is aborted while a synchronous piece keeps the event loop busy: ask
 *   leading() after such a piece, not signal.aborted.
 * - That a process paused between asking and acting does nothing late: only a resource that checks the token can
 *   refuse that. Send headers() with each effect; tell a refusal by rejected().
 * - That what got no answer, 502 or 504 did not happen. Send it again, with the same idempotency key.
 *
 * After a loss work is to return; what it throws then is taken for its consequence and dropped. If it returns or
 * throws while it leads, the term is resigned and lead() ends with it. stop() ends lead(): call it at SIGTERM.
 *
 * The example, beside a running scripts/quickstart, from the top folder:
 *     npx -y -p typescript@5.9 tsc --noCheck --target es2022 --module nodenext --outDir build/example-ts clients/typescript/example.ts && node build/example-ts/example.js
 */
import { readFileSync } from "node:fs";
import { connect, isIP, type NetConnectOpts, type Socket } from "node:net";

const tickMs = 250; // waits are cut into these, so that a machine that was suspended is noticed
const retryMs = 250; // from one try to connect to the next
const connectMs = 1000;
const answerMs = 5000; // for the head of an answer, and for the answer to a call
const silenceMs = 40_000; // of a stream that beats every 15 s
const longest = 65536; // bytes of a head or an event
const termIdForm = /^[0-9A-Za-z._-]{1,100}$/;
const nameForm = /^[0-9A-Za-z._-]{1,253}$/;
const wholeForm = /^[1-9][0-9]{0,17}$/; // tokens end at 10^18-1, deadlines after 31 years
const statusForm = /^HTTP\/1\.[01] (\d{3})(?:\s|$)/;

/** CLOCK_BOOTTIME or up to 10 ms more, never less. Without it every deadline has passed. */
function boottimeNs(): bigint {
  try {
    const found = /^(\d+)\.(\d\d) /.exec(readFileSync("/proc/uptime", "latin1"));
    if (found) return (BigInt(found[1]! + found[2]!) + 1n) * 10_000_000n;
  } catch {
    // as if it had no such line
  }
  return 1n << 63n;
}

/** One leadership as one call of the work sees it. */
export class Term {
  readonly termId: string;
  readonly token: bigint;
  /** NAMESPACE/ELECTION. */
  readonly scope: string;
  /** Aborted when the term is over. */
  readonly signal: AbortSignal;
  readonly #baton: Baton;
  readonly #abort = new AbortController();
  #deadlineNs: bigint;
  #isOver = false;
  /** @internal */ _hasLapsed = false;
  /** @internal */ _isGivenUp = false;

  /** @internal */
  constructor(baton: Baton, answer: Yes) {
    this.#baton = baton;
    this.termId = answer.termId;
    this.token = answer.token;
    this.scope = answer.scope;
    this.signal = this.#abort.signal;
    this.#deadlineNs = answer.deadlineNs;
  }

  /** Whole milliseconds until the deadline as it is known now; 0 once the term is over. */
  remaining(): number {
    const left = this.#isOver ? 0 : Number((this.#deadlineNs - boottimeNs()) / 1_000_000n);
    if (left > 0) return left;
    this._hasLapsed ||= !this.#isOver;
    this._end(); // for ever, whatever comes later
    return 0;
  }

  leading(): boolean {
    return this.remaining() > 0;
  }

  /** Waits so long, or until the term is over. True if it still holds. */
  async pause(ms: number): Promise<boolean> {
    for (const until = performance.now() + ms; ; ) {
      const left = Math.min(this.remaining(), until - performance.now(), tickMs);
      if (left <= 0) return this.leading();
      await this.#baton._wait(left);
    }
  }

  /**
   * A resource refused the token: somebody has a higher one (0: not known). Ends the term, reports it, and has the
   * term resigned when the work has returned. True if the sidecar took the report.
   */
  async rejected(resource = "", highestToken: bigint | number = 0): Promise<boolean> {
    this.#giveUp();
    const fields: Record<string, string> = { token: String(this.token) };
    if (resource !== "") fields["resource"] = resource;
    if (highestToken > 0) fields["highestToken"] = String(highestToken);
    return (await this.#baton._post("/fencing/rejections", fields)) === 204;
  }

  /** This term's work has ended, though the function runs on: ends the term and has it released now. */
  async drained(): Promise<boolean> {
    this.#giveUp();
    return this.#baton._sayDrained("/drained", this.termId);
  }

  /** The application has recovered its state (the sidecar's gate on warming up, if it is set). */
  async ready(): Promise<boolean> {
    return [200, 202].includes(await this.#baton._post("/ready-to-lead", { termId: this.termId }));
  }

  /**
   * Of a request or message that has an effect: the token, and the scope that its receiver fences by: the
   * election's, or another that was agreed on with it (1 to 512 visible ASCII characters).
   */
  headers(scope = this.scope): Record<string, string> {
    return { "Baton-Fencing-Token": String(this.token), "Baton-Fencing-Scope": visible(scope, 512, "a scope") };
  }

  /**
   * Of (token, operation id), for effects that check no token: the same for each try in this term, so that one of
   * unknown outcome can be sent again. In a later term it is another one; what must never happen twice takes the
   * operation id alone.
   */
  idempotencyKey(operation: string): string {
    return `${this.token}:${visible(operation, 200, "an operation id")}`;
  }

  #giveUp(): void {
    this._isGivenUp = true;
    this._end();
  }

  /** @internal */
  _end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#abort.abort(new Error("the leadership was lost"));
    this.#baton._wake();
  }

  /** @internal */
  _extend(answer: Yes): void {
    if (this.leading()) this.#deadlineNs = answer.deadlineNs; // what has lapsed stays so
  }
}

export type Work = (term: Term) => Promise<void> | void;
type Yes = { readonly termId: string; readonly token: bigint; readonly deadlineNs: bigint; readonly scope: string };
type Answer = Yes | "no" | null; // null: none

/**
 * The sidecar as this process sees it. `address`: as BATON_LOCAL_ADDRESS, which it defaults to. `holder`: the own
 * name where the sidecar's setting `holders` names several working containers.
 */
export class Baton {
  /** Why there is no answer, for people; "" while there is one. */
  problem = "";
  #addresses: NetConnectOpts[]; // the one that answered last is first
  readonly #holder: string;
  #leads = false;
  #isClosing = false;
  #isStopping = false;
  #term: Term | null = null; // while work runs
  #answer: Answer = null; // the last of the stream that is open
  #done = ""; // the term that was given up, never to be worked in again
  readonly #waiting = new Set<() => void>();

  constructor(address = "", holder = "") {
    this.#addresses = parseAddresses(address || process.env["BATON_LOCAL_ADDRESS"] || "localhost:4040");
    this.#holder = holder;
  }

  /** Calls work(term) for each term until stop(), or until it returns while leading. */
  async lead(work: Work): Promise<void> {
    if (this.#leads) throw new Error("lead() runs already");
    this.#leads = true;
    this.#isClosing = false;
    const watcher = this.#watch();
    try {
      for (let term; (term = await this.#nextTerm()) && !(await this.#run(term, work)); );
    } finally {
      this.#isClosing = true;
      this._wake();
      await watcher;
      this.#leads = false;
    }
  }

  /** Ends the term; lead() returns when the work has, and if it is called later. */
  stop(): void {
    this.#isStopping = true;
    this.#term?._end();
    this._wake();
  }

  async #nextTerm(): Promise<Term | null> {
    while (!this.#isStopping) {
      const answer = this.#answer;
      if (answer && answer !== "no" && answer.termId !== this.#done && boottimeNs() < answer.deadlineNs) {
        return (this.#term = new Term(this, answer));
      }
      await this._wait(tickMs);
    }
    return null;
  }

  /** True if the work ended by itself. */
  async #run(term: Term, work: Work): Promise<boolean> {
    let failure: { thrown: unknown } | undefined;
    try {
      if (term.leading()) await work(term);
    } catch (thrown) {
      failure = { thrown };
    }
    const byItself = term.leading();
    term._end();
    const givesUp = byItself || term._isGivenUp || this.#isStopping;
    const answer = this.#answer;
    if (givesUp) {
      await this._sayDrained("/resign?drained=true", term.termId);
    } else if (answer && (answer === "no" || answer.termId !== term.termId)) {
      await this._sayDrained("/drained", term.termId); // so that the next leader need not wait for the clock
    }
    if (givesUp) this.#done = term.termId;
    this.#term = null;
    this._wake();
    if (byItself && failure) throw failure.thrown;
    return byItself;
  }

  #take(answer: Answer): void {
    this.#answer = answer;
    const term = this.#term;
    if (term && answer === "no") {
      term._end();
    } else if (term && answer && answer !== "no") {
      if (answer.termId === term.termId && answer.token === term.token) {
        term._extend(answer);
      } else {
        term._end();
      }
    }
    this._wake();
  }

  /** Holds the stream and ends terms in time. */
  async #watch(): Promise<void> {
    while (!this.#isClosing) {
      const stream = await this.#connect();
      if (stream) await this.#hold(stream);
      for (const until = performance.now() + retryMs; !this.#isClosing && performance.now() < until; ) {
        await this._wait(this.#atMost(until - performance.now()));
      }
    }
  }

  /** Returns when the stream has been closed. */
  async #hold(stream: Socket): Promise<void> {
    const events = new Events();
    const opened = performance.now();
    let heard = opened;
    let hasEnded = false;
    stream.on("data", (data) => {
      heard = performance.now();
      const why = events.feed(data, (answer) => this.#take(answer));
      if (why !== "") this.#take(null);
      this.problem = why;
      this._wake();
    });
    for (const end of ["end", "close"] as const) {
      stream.on(end, () => {
        if (hasEnded) return;
        hasEnded = true;
        this.problem = "the sidecar ended the stream";
        this.#take(null);
      });
    }
    while (!hasEnded) {
      await this._wait(this.#atMost(tickMs));
      const now = performance.now();
      const isLate = events.status === 0 ? now - opened > answerMs : now - heard > silenceMs;
      if (this.#term?._hasLapsed) { // what comes now is too late
        events.isBroken = true;
        this.#answer = null;
      }
      // A refusal holds nothing. Else nobody may close this while work runs.
      if (events.isRefused || ((this.#isClosing || events.isBroken || isLate) && !this.#term)) hasEnded = true;
    }
    this.#answer = null; // in the same moment: no work begins from here on
    stream.destroy();
  }

  /** So long, or as long as the term holds. Ends a term whose deadline has passed. */
  #atMost(ms: number): number {
    return Math.min(ms, this.#term?.remaining() || ms);
  }

  /** @internal Waits so long, or until something happens. */
  _wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#waiting.add(end);
    });
  }

  /** @internal */
  _wake(): void {
    for (const end of [...this.#waiting]) end();
  }

  async #connect(): Promise<Socket | null> {
    for (const address of this.#addresses) {
      try {
        return await request(address, this.#atMost(connectMs), `GET ${this.#named("/leader/events?hold=true")}`, "");
      } catch (error) {
        this.problem = String(error);
        this.#addresses = [...this.#addresses.filter((one) => one !== address), address];
      }
    }
    return null;
  }

  #named(path: string): string {
    return this.#holder === "" ? path : `${path}&name=${encodeURIComponent(this.#holder)}`;
  }

  /** @internal */
  async _sayDrained(path: string, termId: string): Promise<boolean> {
    const isCall = path === "/drained";
    const fields: Record<string, string> = { termId };
    if (isCall && this.#holder !== "") fields["name"] = this.#holder;
    return [200, 202].includes(await this._post(isCall ? path : this.#named(path), fields));
  }

  /** @internal The status; 0 without an answer. Nothing is lost then: the clock ends the term. */
  async _post(path: string, fields: Record<string, string>): Promise<number> {
    for (const address of this.#addresses) {
      let call: Socket;
      try {
        call = await request(address, connectMs, `POST ${path}`, JSON.stringify(fields));
      } catch {
        continue;
      }
      const text = await new Promise<string>((resolve) => {
        let text = "";
        const end = () => {
          clearTimeout(timer);
          resolve(text);
        };
        const timer = setTimeout(end, answerMs);
        call.on("close", end);
        call.on("data", (data) => {
          text += data.toString("latin1");
          if (text.length > 12) end();
        });
      });
      call.destroy();
      return Number(statusForm.exec(text)?.[1] ?? 0);
    }
    return 0;
  }
}

/** The answer to the request for the stream, from its bytes. HTTP/1.0, so the body is the events. */
class Events {
  status = 0;
  isBroken = false;
  #text = Buffer.alloc(0);
  #data = "";

  get isRefused(): boolean {
    return this.status !== 0 && this.status !== 200;
  }

  /** The answers that have become whole, for `take`. "", or why this is no such stream, or one too long. */
  feed(data: Buffer, take: (answer: Answer) => void): string {
    if (this.isBroken || this.isRefused) return "";
    this.#text = Buffer.concat([this.#text, data]);
    if (this.status === 0) {
      const end = this.#text.indexOf("\r\n\r\n");
      if ((end < 0 ? this.#text.length : end) > longest) return this.#broken("no HTTP answer: its head does not end");
      if (end < 0) return "";
      const head = this.#text.toString("latin1", 0, end);
      this.#text = this.#text.subarray(end + 4);
      this.status = Number(statusForm.exec(head)?.[1] ?? 0);
      if (this.status === 0) return this.#broken("no HTTP answer: does something else listen there?");
      if (this.isRefused) return this.#broken(`refused: ${head.split("\r\n")[0]}`);
      if (!/\r\ncontent-type:[ \t]*text\/event-stream[ \t]*(;|\r|$)/i.test(head) || /\r\ntransfer-encoding:/i.test(head)) {
        return this.#broken("not a plain event stream: does something else listen there?");
      }
    }
    for (let end; (end = this.#text.indexOf("\n")) >= 0; ) {
      const line = this.#text.toString("utf8", 0, end).replace(/\r+$/, "");
      this.#text = this.#text.subarray(end + 1);
      if (line.startsWith("data:")) {
        this.#data += line.slice(5);
      } else if (line === "" && this.#data !== "") {
        const answer = readAnswer(this.#data);
        this.#data = "";
        if (answer) take(answer);
      }
    }
    return this.#text.length + this.#data.length > longest ? this.#broken("an event does not end") : "";
  }

  #broken(why: string): string {
    this.isBroken = true;
    return why;
  }
}

function visible(text: string, most: number, what: string): string {
  if (text.length <= most && /^[!-~]+$/.test(text)) return text;
  throw new RangeError(`${what} has 1 to ${most} visible ASCII characters`);
}

/** Null if that is no status document. */
function readAnswer(text: string): Answer {
  let document: Record<string, unknown> | null;
  try {
    document = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof document !== "object" || document === null || typeof document["isLeader"] !== "boolean") return null;
  const { termId, fencingToken, deadlineBoottimeNs, validForMs, namespace, election } = document;
  const isOf = (value: unknown, form: RegExp): value is string => typeof value === "string" && form.test(value);
  if (!document["isLeader"] || !isOf(termId, termIdForm) || !isOf(fencingToken, wholeForm) ||
      !isOf(deadlineBoottimeNs, wholeForm) || !isOf(namespace, nameForm) || !isOf(election, nameForm) ||
      !Number.isSafeInteger(validForMs)) {
    return "no";
  }
  const deadlineNs = BigInt(deadlineBoottimeNs);
  const left = deadlineNs - boottimeNs();
  // More left than the sidecar saw when it wrote that: its clock is not ours. No yes can be trusted then.
  if (left <= 0n || left > (BigInt(validForMs as number) + 1n) * 1_000_000n) return "no";
  return { termId, token: BigInt(fencingToken), deadlineNs, scope: `${namespace}/${election}` };
}

/** A connection with its request sent. Rejects if nobody takes it in time. */
function request(address: NetConnectOpts, limitMs: number, what: string, body: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    const timer = setTimeout(() => socket.destroy(new Error("nobody takes the connection")), limitMs);
    socket.on("error", (error) => {
      clearTimeout(timer);
      reject(error); // later ones end in "close"
    });
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.write(`${what} HTTP/1.0\r\nHost: localhost\r\nBaton-Control: 1\r\nContent-Length: ` +
        `${Buffer.byteLength(body)}\r\n\r\n${body}`);
      resolve(socket);
    });
  });
}

function parseAddresses(text: string): NetConnectOpts[] {
  const loopback = new Map([["localhost", ["127.0.0.1", "::1"]], ["", ["127.0.0.1", "::1"]], ["0.0.0.0", ["127.0.0.1"]],
    ["[::]", ["::1"]]]);
  return text.split(",").flatMap((raw): NetConnectOpts[] => {
    const part = raw.trim();
    if (part.startsWith("unix:/")) return [{ path: part.slice(5) }];
    const found = /^(.*):([0-9]{1,5})$/.exec(part);
    const host = found?.[1] ?? "";
    const port = Number(found?.[2] ?? 0);
    const hosts = loopback.get(host) ?? [host.replace(/^\[(.*:.*)\]$/, "$1")];
    if (port < 1 || port > 65535 || !hosts.every(isIP) || isIP(host) === 6) {
      throw new RangeError(`address "${part}": write 127.0.0.1:4040, [::1]:4040 or unix:/path`);
    }
    return hosts.map((one) => ({ host: one, port }));
  });
}
