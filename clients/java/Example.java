import java.time.Duration;

public class Example {
  public static void main(String[] arguments) throws Exception {
    var baton = new Baton();
    var leader = Thread.currentThread();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> { // SIGTERM
      baton.stop();
      try { leader.join(); } catch (InterruptedException e) { Thread.currentThread().interrupt(); }
    }));
    baton.lead(term -> {
      while (term.pause(Duration.ofSeconds(1))) {
        System.out.println("token " + term.token() + ", " + term.remaining().toMillis() + " ms left");
      }
      System.out.println("lost");
    });
  }
}
