import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/** The conformance program in Java: tests/clients/README.md says what it prints. usage: [ACT [FILE]] */
public class Conformance {
  static String act, release;

  static void say(String what, String fields) {
    System.out.println("{\"what\":\"" + what + "\"" + fields + "}");
  }

  static String at() throws Exception { // cut to hundredths of a second
    try (var file = new FileInputStream("/proc/uptime")) {
      String[] parts = new String(file.readNBytes(64)).split("[. ]");
      return ",\"atNs\":" + Long.parseLong(parts[0] + parts[1]) * 10_000_000;
    }
  }

  static String object(Map<String, String> fields) {
    return fields.entrySet().stream().map(one -> "\"" + one.getKey() + "\":\"" + one.getValue() + "\"")
        .collect(Collectors.joining(",", "{", "}"));
  }

  static boolean refuses(UnaryOperator<String> call, String bad) {
    try {
      call.apply(bad);
      return false;
    } catch (IllegalArgumentException e) {
      return true;
    }
  }

  static void work(Baton.Term term) throws Exception {
    say("started", at() + ",\"token\":\"" + term.token() + "\",\"termId\":\"" + term.termId()
        + "\",\"remainingMs\":" + term.remaining().toMillis() + ",\"key\":\"" + term.idempotencyKey("op-1")
        + "\",\"headers\":" + object(term.headers()) + ",\"asked\":" + object(term.headers("shop/bills"))
        + ",\"refuses\":" + (refuses(bad -> "" + term.headers(bad), "a\r\nB: c")
            && refuses(term::idempotencyKey, "op 1")));
    for (boolean acted = false;;) {
      String at = at();
      if (!term.leading()) break;
      say("work", at);
      if (!acted) {
        acted = true;
        switch (act) {
          case "reject" -> say("told", ",\"ok\":" + term.rejected("db", 99));
          case "ready" -> say("told", ",\"ok\":" + term.ready());
          case "tell" -> say("told", ",\"ok\":" + (term.ready() && term.drained()));
          case "return", "fail" -> {
            say("ended", at());
            if (act.equals("fail")) throw new Exception("the work failed");
            return;
          }
          default -> { }
        }
      }
      term.pause(Duration.ofMillis(20));
    }
    while (!Thread.interrupted()) Thread.onSpinWait();
    say("lost", ",\"remainingMs\":" + term.remaining().toMillis());
    while (act.equals("stubborn") && !Files.exists(Path.of(release))) Thread.sleep(20);
    Thread.sleep(100);
    say("ended", at());
    throw new Exception("is dropped: the term was lost");
  }

  public static void main(String[] arguments) throws Exception {
    act = arguments.length > 0 ? arguments[0] : "";
    release = arguments.length > 1 ? arguments[1] : "";
    String holder = act.equals("named") ? "w/1" : "", path = System.getenv("BATON_STATUS_PAGE");
    var baton = path == null ? new Baton("", holder) : new Baton("", holder, new StatusPage(Path.of(path)));
    var leader = Thread.currentThread();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      baton.stop();
      try { leader.join(); } catch (InterruptedException e) { Thread.currentThread().interrupt(); }
    }));
    try {
      baton.lead(Conformance::work);
      say("returned", "");
    } catch (Exception e) {
      say("failed", ",\"why\":\"" + e.getMessage() + "\"");
    }
  }
}
