import java.nio.file.Path;

/** The reader for Java, as tests/clients/page/run wants it. */
public final class Reader {
  private static boolean isWhole(StatusPage.Leadership term) {
    return term.termId().equals("term-" + term.token()) && term.change() == term.token()
        && term.deadlineNs() == 1_000_000_000_000_000_000L + term.token();
  }

  private static void stress(Path path, int changes) {
    var page = new StatusPage(path);
    long reads = 0;
    long torn = 0;
    long last = 0;
    while (changes > 0) {
      var term = page.leadership().orElse(null);
      if (term == null) continue;
      ++reads;
      if (!isWhole(term) || term.token() < last) ++torn;
      if (term.token() != last) --changes;
      last = term.token();
    }
    System.out.println(reads + " " + torn);
  }

  public static void main(String[] words) {
    if (words.length == 3 && words[0].equals("--stress")) {
      stress(Path.of(words[1]), Integer.parseInt(words[2]));
      return;
    }
    for (String path : words) {
      var term = new StatusPage(Path.of(path)).leadership().orElse(null);
      System.out.println(term == null || term.remaining().isZero() ? "no"
          : "yes " + term.token() + " " + term.termId() + " " + term.state() + " " + term.run() + " "
              + term.change() + " " + term.deadlineNs());
    }
  }
}
