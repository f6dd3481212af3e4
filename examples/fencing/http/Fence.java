import com.sun.net.httpserver.Filter;
import com.sun.net.httpserver.HttpExchange;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/**
 * A filter that fences: only requests with the highest fencing token seen, or a higher one, reach the
 * handler, one at a time.
 *
 * <pre>context.getFilters().add(new Fence(Path.of("/data/fence"), "shop/orders"));</pre>
 *
 * A line of the file is a token; the last is the highest. Make it once, with a 0 in it. One process
 * has it: a second one cannot open it.
 */
public class Fence extends Filter {
  private static final int LIMIT = 1 << 20; // bytes of a body
  private static final String TOKEN = "[1-9][0-9]{0,17}";

  private final FileChannel file;
  private final String scope;
  private long highest;

  public Fence(Path path, String scope) throws IOException {
    this.scope = scope;
    file = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE); // no CREATE
    if (file.tryLock() == null) {
      throw new IOException(path + " belongs to another process");
    }
    // Over this channel: to close another one of the same file would give up the lock.
    ByteBuffer bytes = ByteBuffer.allocate((int) file.size());
    while (bytes.hasRemaining() && file.read(bytes) >= 0) {}
    String content = new String(bytes.array());
    String[] lines = content.substring(0, content.lastIndexOf('\n') + 1).trim().split("\\s+");
    String last = lines[lines.length - 1];
    if (!last.equals("0") && !last.matches(TOKEN)) {
      throw new IOException(path + " is damaged: its last line is no token. Put in the highest token"
          + " that this service may have taken");
    }
    highest = Long.parseLong(last);
  }

  @Override
  public void doFilter(HttpExchange exchange, Chain chain) throws IOException {
    List<String> tokens = exchange.getRequestHeaders().getOrDefault("Baton-Fencing-Token", List.of());
    List<String> scopes = exchange.getRequestHeaders().getOrDefault("Baton-Fencing-Scope", List.of());
    if (tokens.size() != 1 || !tokens.get(0).matches(TOKEN)) {
      refuse(exchange, 400, "not one fencing token: " + tokens);
      return;
    }
    if (!scopes.equals(List.of(scope))) {
      refuse(exchange, 403, "a token of scope " + scopes + "; here it is " + scope);
      return;
    }
    // All of it before the lock: who stops in its middle keeps nobody waiting.
    byte[] body = exchange.getRequestBody().readNBytes(LIMIT + 1);
    if (body.length > LIMIT) {
      refuse(exchange, 413, "more than " + LIMIT + " bytes");
      return;
    }
    exchange.setStreams(new ByteArrayInputStream(body), null);
    long token = Long.parseLong(tokens.get(0));

    synchronized (this) { // the handler's work ends within it
      if (token < highest) {
        exchange.getResponseHeaders().set("Baton-Highest-Token", Long.toString(highest));
        refuse(exchange, 409, "stale fencing token " + token + ": the highest is " + highest);
        return;
      }
      if (token > highest) {
        // On a line of its own also after one cut short by a crash.
        file.write(ByteBuffer.wrap(("\n" + token + "\n").getBytes()));
        file.force(false);
        highest = token;
      }
      chain.doFilter(exchange);
    }
  }

  @Override
  public String description() {
    return "refuses requests of past leaders";
  }

  private static void refuse(HttpExchange exchange, int status, String reason) throws IOException {
    byte[] body = (reason + "\n").getBytes();
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }
}
