import java.io.FileInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.URLEncoder;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/**
 * baton for Java: run work only while this Pod leads. Copy this file; it needs Java 17 on Linux.
 * <pre>{@code
 * new Baton().lead(term -> {                          // called once for each term that this Pod leads
 *   while (term.pause(Duration.ofSeconds(1))) {       // true: a second has passed, the term still holds
 *     write(term.headers(), term.remaining());
 *   }
 * });
 * }</pre>
 * <p>Promised:
 * <ul>
 * <li>Work starts only after the sidecar's yes, over a connection that is still open, before its deadline.
 * <li>leading(), remaining() and pause() ask the sidecar's clock, CLOCK_BOOTTIME, at that moment: no thread,
 *     timer, garbage collector or answer need come in time. Java has that clock only as /proc/uptime, which is
 *     cut to hundredths of a second: a deadline counts as passed up to 10 ms early, never late. Once a term is
 *     over they say so for ever, and the thread that works is interrupted once.
 * <li>No answer is no: refused, silent, garbled, cut off, the last deadline holds and nothing longer.
 * <li>With the status page, new Baton("", "", new StatusPage(path)) of StatusPage.java, they ask that too: a term
 *     that is not on it with this token at that moment is over. The page takes away and never adds.
 * <li>Another term id is a loss, then a gain, also if the Pod never ceased to lead.
 * <li>The connection that tells the sidecar that work runs (hold=true) is closed by this class only while no
 *     work runs. So end in it what it began: threads, requests and child processes too.
 * </ul>
 * <p>Not promised:
 * <ul>
 * <li>That work stops: an interrupt is a request. Ask before each piece, bound each by remaining().
 * <li>That a process paused between asking and acting does nothing late: only a resource that checks the token
 *     can refuse that. Send headers() with each effect; tell a refusal by rejected().
 * <li>That what got no answer, 502 or 504 did not happen. Send it again, with the same idempotency key.
 * </ul>
 * <p>After a loss work is to return; what it throws then is taken for its consequence and dropped. If it returns
 * or throws while it leads, the term is resigned and lead() ends with it. stop() ends lead(): call it in a
 * shutdown hook, and wait there for the thread of lead().
 * <p>The example, beside a running scripts/quickstart, from the top folder:
 * <pre>javac -d build/example-java clients/java/*.java && java -cp build/example-java Example</pre>
 */
public final class Baton {
  /** What to run while leading. */
  public interface Work {
    void run(Term term) throws Exception;
  }

  /** What shows the terms of this Pod: a StatusPage. Any thread may ask. */
  public interface Page {
    /** Whether this Pod leads, at this moment, in that term. */
    boolean shows(String termId, long token);
  }

  private static final long TICK_MS = 250; // waits are cut into these, so that a suspended machine is noticed
  private static final long RETRY_MS = 250; // from one try to connect to the next
  private static final long CONNECT_MS = 1000;
  private static final long ANSWER_MS = 5000; // for the head of an answer, and for the answer to a call
  private static final long SILENCE_MS = 40_000; // of a stream that beats every 15 s
  private static final int LONGEST = 65536; // bytes of a head or an event
  private static final Pattern TERM_ID = Pattern.compile("\"([0-9A-Za-z._-]{1,100})\"");
  private static final Pattern NAME = Pattern.compile("\"([0-9A-Za-z._-]{1,253})\"");
  private static final Pattern WHOLE = Pattern.compile("\"([1-9][0-9]{0,17})\""); // a deadline: 31 years
  private static final Pattern STATUS = Pattern.compile("HTTP/1\\.[01] (\\d{3})(?:\\s|$)");
  private static final Pattern EVENTS =
      Pattern.compile("\r\ncontent-type:[ \t]*text/event-stream[ \t]*(;|\r|$)", Pattern.CASE_INSENSITIVE);
  private static final Pattern FRAMED = Pattern.compile("\r\ntransfer-encoding:", Pattern.CASE_INSENSITIVE);

  private final String holder;
  private final Page page;
  private volatile List<SocketAddress> addresses; // the one that answered last is first
  private final Object lock = new Object();
  // Guarded by the lock.
  private boolean leads, closing, stopping;
  private Term term; // while work runs
  private Thread worker; // while it may be interrupted
  private Answer answer; // the last of the stream that is open; null: none
  private String done = ""; // the term that was given up, never to be worked in again
  private String problem = "";
  private Connection stream;

  /** The sidecar at BATON_LOCAL_ADDRESS, else at localhost:4040. */
  public Baton() {
    this("", "");
  }

  /**
   * @param address as BATON_LOCAL_ADDRESS, which it defaults to
   * @param holder the own name where the sidecar's setting `holders` names several working containers, or ""
   * @throws IllegalArgumentException if that is no address
   */
  public Baton(String address, String holder) {
    this(address, holder, (termId, token) -> true);
  }

  /** With the sidecar's status page: without one the deadline of the last answer alone counts. */
  public Baton(String address, String holder, Page page) {
    String text = address.isEmpty() ? System.getenv().getOrDefault("BATON_LOCAL_ADDRESS", "") : address;
    this.addresses = parseAddresses(text.isEmpty() ? "localhost:4040" : text);
    this.holder = holder;
    this.page = page;
  }

  /**
   * CLOCK_BOOTTIME or up to 10 ms more, never less: /proc/uptime is cut to hundredths. Without it every deadline
   * has passed. FileInputStream, since an interrupt closes a channel.
   */
  static long boottimeNs() {
    try (var file = new FileInputStream("/proc/uptime")) {
      String text = new String(file.readNBytes(64), StandardCharsets.US_ASCII);
      int point = text.indexOf('.');
      long hundredths = Long.parseLong(text.substring(0, point) + text.substring(point + 1, point + 3));
      return (hundredths + 1) * 10_000_000;
    } catch (IOException | RuntimeException e) {
      return Long.MAX_VALUE;
    }
  }

  /** One leadership as one call of the work sees it. Any thread may call any method. */
  public final class Term {
    private final String termId;
    private final long token;
    private final String scope;
    private long deadlineNs;
    private boolean over, lapsed, givenUp, interrupted;

    private Term(Answer answer) {
      termId = answer.termId();
      token = answer.token();
      scope = answer.scope();
      deadlineNs = answer.deadlineNs();
    }

    public long token() { return token; }

    public String termId() { return termId; }

    /** NAMESPACE/ELECTION. */
    public String scope() { return scope; }

    /** Until the deadline as it is known now; zero once the term is over. */
    public Duration remaining() {
      synchronized (lock) {
        return Duration.ofNanos(left());
      }
    }

    public boolean leading() {
      synchronized (lock) {
        return left() > 0;
      }
    }

    private long left() {
      boolean shown = !over && page.shows(termId, token); // first: the clock is looked at last
      long left = over ? 0 : deadlineNs - boottimeNs();
      if (shown && left > 0) return left;
      lapsed |= !over && left <= 0;
      over = true; // for ever, whatever comes later
      return 0;
    }

    /**
     * Waits so long, or until the term is over. True if it still holds. The interrupt that tells of a loss stays
     * to be seen.
     * @throws InterruptedException if somebody else interrupts, while the term holds
     */
    public boolean pause(Duration duration) throws InterruptedException {
      long until = System.nanoTime() + duration.toNanos();
      synchronized (lock) {
        while (true) {
          long mostNs = Math.min(left(), until - System.nanoTime());
          if (mostNs <= 0) return left() > 0;
          try {
            lock.wait(Math.min(TICK_MS, mostNs / 1_000_000), mostNs < 1_000_000 ? (int) mostNs : 0);
          } catch (InterruptedException e) {
            if (left() > 0) throw e;
            Thread.currentThread().interrupt();
            return false;
          }
        }
      }
    }

    /**
     * A resource refused the token: somebody has a higher one (0: not known). Ends the term, reports it, and has
     * the term resigned when the work has returned. True if the sidecar took the report.
     */
    public boolean rejected(String resource, long highestToken) {
      end();
      var fields = new TreeMap<>(Map.of("token", "" + token));
      if (!resource.isEmpty()) fields.put("resource", resource);
      if (highestToken > 0) fields.put("highestToken", "" + highestToken);
      return post("/fencing/rejections", fields) == 204;
    }

    /** This term's work has ended, though the function runs on: ends the term and has it released now. */
    public boolean drained() {
      end();
      return sayDrained("/drained", termId);
    }

    /** The application has recovered its state (the sidecar's gate on warming up, if it is set). */
    public boolean ready() {
      int status = post("/ready-to-lead", Map.of("termId", termId));
      return status == 200 || status == 202;
    }

    /** Of a request or message that has an effect: the token, and the election's scope. */
    public Map<String, String> headers() {
      return headers(scope);
    }

    /**
     * Of one whose receiver fences by another scope, which was agreed on with it.
     * @throws IllegalArgumentException if that is not 1 to 512 visible ASCII characters
     */
    public Map<String, String> headers(String scope) {
      return Map.of("Baton-Fencing-Token", "" + token, "Baton-Fencing-Scope", visible(scope, 512, "a scope"));
    }

    /**
     * Of (token, operation id), for effects that check no token: the same for each try in this term, so that
     * one of unknown outcome can be sent again. In a later term it is another one; what must never happen twice
     * takes the operation id alone.
     */
    public String idempotencyKey(String operation) {
      return token + ":" + visible(operation, 200, "an operation id");
    }

    private void end() {
      synchronized (lock) {
        over = givenUp = true;
        wake();
      }
    }
  }

  /** Why there is no answer, for people; "" while there is one. */
  public String problem() {
    synchronized (lock) {
      return problem;
    }
  }

  /** Calls work for each term, in this thread, until stop(), or until it returns while leading. */
  public void lead(Work work) throws Exception {
    synchronized (lock) {
      if (leads) throw new IllegalStateException("lead() runs already");
      leads = true;
      closing = false;
    }
    var watcher = new Thread(this::watch, "baton");
    watcher.setDaemon(true);
    watcher.start();
    try {
      while (nextTerm() && !run(work)) {
      }
    } finally {
      synchronized (lock) {
        closing = true;
        term = null; // whatever was thrown, the work has returned
        wake();
      }
      joinFully(watcher);
      synchronized (lock) {
        leads = false;
      }
    }
  }

  /** Ends the term; lead() returns when the work has, and if it is called later. Any thread. */
  public void stop() {
    synchronized (lock) {
      stopping = true;
      if (term != null) term.over = true;
      wake();
    }
  }

  private boolean nextTerm() throws InterruptedException {
    synchronized (lock) {
      while (!stopping) {
        if (answer != null && answer.leads() && !answer.termId().equals(done) && boottimeNs() < answer.deadlineNs()) {
          boolean shown = page.shows(answer.termId(), answer.token());
          problem = shown ? "" : "the status page does not say that this Pod leads";
          if (shown) {
            term = new Term(answer);
            worker = Thread.currentThread();
            return true;
          }
        }
        lock.wait(TICK_MS);
      }
      return false;
    }
  }

  /** True if the work ended by itself. */
  private boolean run(Work work) throws Exception {
    Throwable thrown = null;
    try {
      if (term.leading()) work.run(term);
    } catch (Throwable e) {
      thrown = e;
    }
    boolean byItself, givesUp, toldNo;
    synchronized (lock) {
      byItself = term.left() > 0;
      term.over = true;
      worker = null; // no interrupt of this term may meet the next one
      if (term.interrupted) Thread.interrupted();
      givesUp = byItself || term.givenUp || stopping;
      toldNo = (answer != null && !answer.termId().equals(term.termId))
          || (!term.lapsed && !page.shows(term.termId, term.token));
    }
    if (givesUp) {
      sayDrained("/resign?drained=true", term.termId);
    } else if (toldNo) { // so that the next leader need not wait for the clock
      sayDrained("/drained", term.termId);
    }
    synchronized (lock) {
      if (givesUp) done = term.termId;
      term = null;
      wake();
    }
    if (thrown instanceof Error error) throw error;
    if (byItself && thrown instanceof Exception exception) throw exception;
    return byItself;
  }

  private void take(Answer told) {
    synchronized (lock) {
      answer = told;
      if (term != null && told != null && term.left() > 0) { // first: what has lapsed stays so
        if (told.leads() && told.termId().equals(term.termId) && told.token() == term.token) {
          term.deadlineNs = told.deadlineNs();
        } else {
          term.over = true;
        }
      }
      lock.notifyAll();
    }
  }

  private void wake() {
    lock.notifyAll();
    if (stream != null) stream.selector.wakeup();
  }

  // The watcher's thread: holds the stream, ends terms in time, interrupts.

  private void watch() {
    while (true) {
      synchronized (lock) {
        if (closing) return;
      }
      try (var connection = connect()) {
        if (connection != null) {
          synchronized (lock) {
            stream = connection;
          }
          hold(connection);
        }
      } catch (IOException e) {
        say(e.toString());
      }
      synchronized (lock) {
        stream = null;
        answer = null;
      }
      long until = System.nanoTime() + RETRY_MS * 1_000_000;
      for (long left; (left = (until - System.nanoTime()) / 1_000_000) > 0; ) {
        synchronized (lock) {
          if (closing) return;
          try {
            lock.wait(atMost(left));
          } catch (InterruptedException e) {
            // Nobody has a reason to; the time is kept.
          }
        }
        tellWorker();
      }
    }
  }

  /** Returns when the connection may be closed. */
  private void hold(Connection connection) throws IOException {
    var events = new Events();
    var data = ByteBuffer.allocate(4096);
    long opened = System.nanoTime(), heard = opened;
    while (true) {
      int size = connection.read(data.clear(), atMost(TICK_MS));
      tellWorker();
      if (size < 0) {
        say("the sidecar ended the stream");
        return;
      }
      if (size > 0) {
        heard = System.nanoTime();
        String why;
        try {
          why = events.feed(data.array(), size, this::take);
        } catch (RuntimeException e) { // whatever it is, the connection stays open as long as work runs
          events.broken = true;
          why = e.toString();
        }
        if (!why.isEmpty()) take(null);
        say(why);
      }
      long now = System.nanoTime();
      boolean isLate = events.status == 0 ? now - opened > ANSWER_MS * 1_000_000 : now - heard > SILENCE_MS * 1_000_000;
      synchronized (lock) {
        if (term != null && term.lapsed) { // what comes now is too late
          events.broken = true;
          answer = null;
        }
        // A refusal holds nothing. Else nobody may close this while work runs.
        if (events.isRefused() || ((closing || events.broken || isLate) && term == null)) {
          answer = null; // in the same moment: no work begins from here on
          return;
        }
      }
    }
  }

  /** So long, or as long as the term holds; at least 1. Ends a term whose deadline has passed. */
  private long atMost(long ms) {
    synchronized (lock) {
      long leftNs = term == null ? 0 : term.left();
      return leftNs > 0 ? Math.max(1, Math.min(ms, leftNs / 1_000_000)) : ms;
    }
  }

  private void tellWorker() {
    synchronized (lock) {
      if (term == null || worker == null || term.left() > 0 || term.interrupted) return;
      term.interrupted = true;
      worker.interrupt();
    }
  }

  private void say(String why) {
    synchronized (lock) {
      problem = why;
    }
  }

  private Connection connect() {
    for (int tried = 0; tried < addresses.size(); tried++) {
      var all = addresses;
      try {
        return new Connection(all.get(0), atMost(CONNECT_MS), "GET " + named("/leader/events?hold=true"), "");
      } catch (IOException e) {
        say(all.get(0) + ": " + e.getMessage());
      }
      var turned = new ArrayList<>(all.subList(1, all.size()));
      turned.add(all.get(0));
      addresses = turned;
    }
    return null;
  }

  private String named(String path) {
    return holder.isEmpty() ? path : path + "&name=" + URLEncoder.encode(holder, StandardCharsets.UTF_8);
  }

  private boolean sayDrained(String path, String termId) {
    var fields = new TreeMap<>(Map.of("termId", termId));
    boolean isCall = path.equals("/drained");
    if (isCall && !holder.isEmpty()) fields.put("name", holder);
    int status = post(isCall ? path : named(path), fields);
    return status == 200 || status == 202;
  }

  /**
   * The status; 0 without an answer. Nothing is lost then: the clock ends the term. In a thread of its own: the
   * caller's may be interrupted, which would close the connection.
   */
  private int post(String path, Map<String, String> fields) {
    var status = new int[1];
    var caller = new Thread(() -> status[0] = call("POST " + path, object(fields)), "baton-call");
    caller.setDaemon(true);
    caller.start();
    joinFully(caller);
    return status[0];
  }

  private int call(String what, String body) {
    long until = System.nanoTime() + ANSWER_MS * 1_000_000;
    for (var address : addresses) {
      Connection made;
      try {
        made = new Connection(address, CONNECT_MS, what, body);
      } catch (IOException e) {
        continue;
      }
      try (made) {
        var text = new StringBuilder();
        var piece = ByteBuffer.allocate(64);
        for (long left; text.length() < 13 && (left = (until - System.nanoTime()) / 1_000_000) > 0; ) {
          int size = made.read(piece.clear(), left);
          if (size < 0) break;
          text.append(new String(piece.array(), 0, size, StandardCharsets.ISO_8859_1));
        }
        return statusOf(text);
      } catch (IOException e) {
        return 0;
      }
    }
    return 0;
  }

  private static void joinFully(Thread thread) {
    boolean interrupted = false;
    while (true) {
      try {
        thread.join();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) Thread.currentThread().interrupt();
  }

  private static String visible(String text, int most, String what) {
    if (text.matches("[!-~]{1," + most + "}")) return text;
    throw new IllegalArgumentException(what + " has 1 to " + most + " visible ASCII characters");
  }

  private static int statusOf(CharSequence head) {
    var first = STATUS.matcher(head);
    return first.lookingAt() ? Integer.parseInt(first.group(1)) : 0;
  }

  private static String object(Map<String, String> fields) {
    var out = new StringBuilder();
    fields.forEach((key, value) -> out.append(out.length() == 0 ? "{\"" : ",\"").append(key).append("\":\"")
        .append(value.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ")).append('"'));
    return out + "}";
  }

  private record Answer(boolean leads, String termId, long token, long deadlineNs, String scope) {
    static final Answer NO = new Answer(false, "", 0, 0, "");

    /** Null if that is no status document. */
    static Answer read(String text) {
      var members = new Members(text).read();
      if (members == null) return null;
      String isLeader = members.getOrDefault("isLeader", "");
      if (!isLeader.equals("true")) return isLeader.equals("false") ? NO : null;
      var termId = TERM_ID.matcher(members.getOrDefault("termId", ""));
      var token = WHOLE.matcher(members.getOrDefault("fencingToken", ""));
      var deadline = WHOLE.matcher(members.getOrDefault("deadlineBoottimeNs", ""));
      var namespace = NAME.matcher(members.getOrDefault("namespace", ""));
      var election = NAME.matcher(members.getOrDefault("election", ""));
      String validMs = members.getOrDefault("validForMs", "");
      if (!termId.matches() || !token.matches() || !deadline.matches() || !validMs.matches("[0-9]{1,10}")
          || !namespace.matches() || !election.matches()) {
        return NO;
      }
      long deadlineNs = Long.parseLong(deadline.group(1)), left = deadlineNs - boottimeNs();
      // More left than the sidecar saw when it wrote that: its clock is not ours. No yes can be trusted then.
      if (left <= 0 || left > (Long.parseLong(validMs) + 1) * 1_000_000) return NO;
      return new Answer(true, termId.group(1), Long.parseLong(token.group(1)), deadlineNs,
          namespace.group(1) + "/" + election.group(1));
    }
  }

  /**
   * The members of one JSON object, as they are written. Enough of JSON to tell a document from garbage: nesting
   * and strings are followed, the words in between are not looked at.
   */
  private static final class Members {
    private final String text;
    private int at;

    Members(String text) { this.text = text; }

    Map<String, String> read() {
      var members = new HashMap<String, String>();
      if (!take('{')) return null;
      do {
        String key = value();
        if (key.length() < 2 || key.charAt(0) != '"' || !take(':')) return null;
        String found = value();
        if (found.isEmpty()) return null;
        members.put(key.substring(1, key.length() - 1), found);
      } while (take(','));
      if (!take('}')) return null;
      skip();
      return at == text.length() ? members : null;
    }

    private void skip() {
      while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
    }

    private boolean take(char wanted) {
      skip();
      if (at >= text.length() || text.charAt(at) != wanted) return false;
      at++;
      return true;
    }

    /** A whole value; "" if there is none. */
    private String value() {
      skip();
      int begin = at;
      var open = new StringBuilder();
      do {
        if (at >= text.length()) return "";
        char letter = text.charAt(at++);
        int depth = open.length();
        if (letter == '"') {
          for (; at < text.length() && text.charAt(at) != '"'; at++) {
            if (text.charAt(at) == '\\') at++;
          }
          if (at++ >= text.length()) return "";
        } else if (letter == '{' || letter == '[') {
          open.append(letter == '{' ? '}' : ']');
        } else if (depth > 0 && letter == open.charAt(depth - 1)) {
          open.setLength(depth - 1);
        } else if (letter == '}' || letter == ']' || (depth == 0 && (letter == ',' || letter == ':'))) {
          return "";
        } else if (depth == 0) {
          while (at < text.length() && ",:{}[]\" \t\r\n".indexOf(text.charAt(at)) < 0) at++;
        }
      } while (open.length() > 0);
      return text.substring(begin, at);
    }
  }

  /** The answer to the request for the stream, from its bytes. HTTP/1.0, so the body is the events. */
  private static final class Events {
    int status;
    boolean broken;
    private final StringBuilder text = new StringBuilder(), data = new StringBuilder();

    boolean isRefused() { return status != 0 && status != 200; }

    /** The answers that have become whole, for `take`. "", or why this is no such stream, or one too long. */
    String feed(byte[] bytes, int size, Consumer<Answer> take) {
      if (broken || isRefused()) return "";
      text.append(new String(bytes, 0, size, StandardCharsets.ISO_8859_1)); // what is read here is ASCII
      if (status == 0) {
        int end = text.indexOf("\r\n\r\n");
        if ((end < 0 ? text.length() : end) > LONGEST) return broken("no HTTP answer: its head does not end");
        if (end < 0) return "";
        String head = text.substring(0, end);
        text.delete(0, end + 4);
        status = statusOf(head);
        if (status == 0) return broken("no HTTP answer: does something else listen there?");
        if (isRefused()) return broken("refused: " + head.lines().findFirst().orElse(""));
        if (!EVENTS.matcher(head).find() || FRAMED.matcher(head).find()) {
          return broken("not a plain event stream: does something else listen there?");
        }
      }
      int begin = 0;
      for (int end; (end = text.indexOf("\n", begin)) >= 0; begin = end + 1) {
        String line = text.substring(begin, end).stripTrailing();
        if (line.startsWith("data:")) {
          data.append(line, 5, line.length());
        } else if (line.isEmpty() && data.length() > 0) {
          var answer = Answer.read(data.toString());
          data.setLength(0);
          if (answer != null) take.accept(answer);
        }
      }
      text.delete(0, begin);
      return text.length() + data.length() > LONGEST ? broken("an event does not end") : "";
    }

    private String broken(String why) {
      broken = true;
      return why;
    }
  }

  /** A connection with its request sent. */
  private static final class Connection implements AutoCloseable {
    final Selector selector = Selector.open();
    private final SocketChannel channel;

    Connection(SocketAddress where, long limitMs, String what, String body) throws IOException {
      channel = where instanceof UnixDomainSocketAddress
          ? SocketChannel.open(StandardProtocolFamily.UNIX) : SocketChannel.open();
      try {
        channel.configureBlocking(false);
        var key = channel.register(selector, SelectionKey.OP_CONNECT);
        long until = System.nanoTime() + limitMs * 1_000_000;
        for (boolean is = channel.connect(where); !is; is = channel.finishConnect()) {
          long left = (until - System.nanoTime()) / 1_000_000;
          if (left <= 0) throw new IOException("nobody takes the connection");
          selector.select(left);
          selector.selectedKeys().clear();
        }
        byte[] content = body.getBytes(StandardCharsets.UTF_8);
        byte[] head = (what + " HTTP/1.0\r\nHost: localhost\r\nBaton-Control: 1\r\nContent-Length: " + content.length
            + "\r\n\r\n").getBytes(StandardCharsets.UTF_8);
        var text = ByteBuffer.allocate(head.length + content.length).put(head).put(content).flip();
        channel.write(text); // into an empty socket's buffer, as a whole
        if (text.hasRemaining()) throw new IOException("the request is too long");
        key.interestOps(SelectionKey.OP_READ);
      } catch (IOException | RuntimeException e) {
        close();
        throw e;
      }
    }

    /** The bytes read; 0 if none came in time or somebody woke the selector; -1 at the end. */
    int read(ByteBuffer into, long limitMs) throws IOException {
      selector.select(Math.max(1, limitMs));
      selector.selectedKeys().clear();
      return channel.read(into);
    }

    @Override
    public void close() throws IOException {
      channel.close();
      selector.close();
    }
  }

  private static List<SocketAddress> parseAddresses(String text) {
    var loopback = Map.of("localhost", List.of("127.0.0.1", "::1"), "", List.of("127.0.0.1", "::1"),
        "0.0.0.0", List.of("127.0.0.1"), "[::]", List.of("::1"));
    var form = Pattern.compile("(localhost|[0-9.]*|\\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\\]):([1-9][0-9]{0,4})");
    var found = new ArrayList<SocketAddress>();
    for (String part : text.trim().split("\\s*,\\s*", -1)) {
      if (part.startsWith("unix:/")) {
        found.add(UnixDomainSocketAddress.of(part.substring(5)));
        continue;
      }
      var parts = form.matcher(part);
      try {
        if (!parts.matches()) throw new IOException();
        String host = parts.group(1);
        for (String one : loopback.getOrDefault(host, List.of(host.replaceAll("[\\[\\]]", "")))) {
          found.add(new InetSocketAddress(InetAddress.getByName(one), Integer.parseInt(parts.group(2))));
        }
      } catch (IOException | IllegalArgumentException e) {
        throw new IllegalArgumentException(
            "address \"" + part + "\": write 127.0.0.1:4040, [::1]:4040 or unix:/path");
      }
    }
    return found;
  }
}
