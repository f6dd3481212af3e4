import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/** A singleton worker: a piece of work each second, only while this Pod leads, each with the token. */
public class Worker {
  static final String SIDECAR = System.getenv().getOrDefault("SIDECAR", "http://localhost:4040");
  static final String STORE = System.getenv("STORE");
  /** No piece of work takes longer, and none begins with less validity left. */
  static final Duration PIECE = Duration.ofSeconds(3);
  static final Pattern TERM = Pattern.compile("\"termId\":\"([^\"]+)\"");
  static final HttpClient client = HttpClient.newBuilder()
      .version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(1)).build();

  /** Java has no CLOCK_BOOTTIME: `deadline` is on System.nanoTime(), counted from before the question. */
  record Leader(String token, String term, long deadline) {
    Duration remaining() { return Duration.ofNanos(deadline - System.nanoTime()); }
  }

  static HttpResponse<String> send(HttpRequest.Builder request, Duration timeout)
      throws IOException, InterruptedException {
    return client.send(request.timeout(timeout).build(), BodyHandlers.ofString());
  }

  /** Null unless this Pod leads for PIECE more: no answer is no. */
  static Leader leadership() throws InterruptedException {
    long askedAt = System.nanoTime();
    var question = HttpRequest.newBuilder(
        URI.create(SIDECAR + "/leader?minRemaining=" + PIECE.toMillis() + "ms"));
    try {
      var answer = send(question, Duration.ofSeconds(1));
      var term = TERM.matcher(answer.body());
      if (answer.statusCode() != 200 || !term.find()) return null;
      long validForMs = answer.headers().firstValueAsLong("Baton-Valid-For-Ms").orElse(0);
      return new Leader(answer.headers().firstValue("Baton-Fencing-Token").orElseThrow(), term.group(1),
          askedAt + TimeUnit.MILLISECONDS.toNanos(validForMs));
    } catch (IOException e) {
      return null;
    }
  }

  /** Tells the sidecar. Without an answer nothing is lost: then the clock ends the term. */
  static void tell(String path, String json) throws InterruptedException {
    try {
      send(HttpRequest.newBuilder(URI.create(SIDECAR + path)).header("Baton-Control", "1")
          .POST(HttpRequest.BodyPublishers.ofString(json)), Duration.ofSeconds(15));
    } catch (IOException e) {
      System.out.println("the sidecar does not answer: " + e);
    }
  }

  static String termId(String term) { return "{\"termId\":\"" + term + "\"}"; }

  /** One piece of work. False if the store refused its token: somebody has a higher one. */
  static boolean work(Leader leader, Duration remaining) throws IOException, InterruptedException {
    String status;
    try {
      var effect = HttpRequest.newBuilder(URI.create(STORE)).header("Baton-Fencing-Token", leader.token())
          .POST(HttpRequest.BodyPublishers.ofString(InetAddress.getLocalHost().getHostName()));
      status = "" + send(effect, remaining.compareTo(PIECE) < 0 ? remaining : PIECE).statusCode();
    } catch (IOException e) {
      status = e.toString();
    }
    System.out.println("token " + leader.token() + ": " + status);
    return !status.equals("409");
  }

  public static void main(String[] arguments) throws Exception {
    var stop = new CountDownLatch(1);
    var ended = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> { // SIGTERM
      stop.countDown();
      try { ended.await(); } catch (InterruptedException e) { Thread.currentThread().interrupt(); }
    }));
    String term = "", refused = ""; // the terms worked in last, and refused last
    do {
      var leader = leadership();
      if (!term.isEmpty() && (leader == null || !leader.term().equals(term))) {
        tell("/drained", termId(term)); // so that the next leader need not wait for the clock
        term = "";
      }
      if (leader == null || leader.term().equals(refused)) continue;
      // Asked again of the own clock: this process may have been stopped since the answer was written.
      var remaining = leader.remaining();
      if (remaining.isNegative() || remaining.isZero()) continue;
      term = leader.term();
      if (!work(leader, remaining)) {
        refused = term;
        term = "";
        tell("/fencing/rejections", "{\"token\":\"" + leader.token() + "\",\"resource\":\"" + STORE + "\"}");
        tell("/resign?drained=true", termId(refused));
      }
    } while (!stop.await(1, TimeUnit.SECONDS));
    if (!term.isEmpty()) tell("/resign?drained=true&wait=10s", termId(term));
    ended.countDown();
  }
}
