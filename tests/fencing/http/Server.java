import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.Executors;

/** A service behind examples/fencing/http/Fence.java, and its unfenced twin. usage: Server DIR PORT */
public class Server {
  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(arguments[0]);
    var address = new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[1]));
    HttpServer server = HttpServer.create(address, 0);
    server.setExecutor(Executors.newCachedThreadPool());
    server.createContext("/twin", effect(folder.resolve("twin.journal")));
    server.createContext("/fenced", effect(folder.resolve("fenced.journal")))
        .getFilters().add(new Fence(folder.resolve("fence"), "shop/orders"));
    server.start();
  }

  private static HttpHandler effect(Path path) {
    return exchange -> {
      byte[] body = exchange.getRequestBody().readAllBytes();
      Files.write(path, body, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
      exchange.sendResponseHeaders(200, -1);
      exchange.close();
    };
  }
}
