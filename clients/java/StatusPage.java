import java.io.FileInputStream;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Optional;

/**
 * baton's status page for Java: does this Pod lead? Copy this file and Baton.java, which has the clock; they need
 * Java 17 on Linux.
 * <pre>{@code
 * var page = new StatusPage(Path.of("/run/baton-status/page"));
 * for (var term = page.leadership(); term.isPresent(); term = page.leadership()) {
 *   write(term.get().token(), term.get().remaining());
 * }
 * }</pre>
 * <p>docs/status-page.md has the layout and the protocol. Promised: never a yes after the page's deadline, which
 * counts as passed up to 10 ms early (Java has CLOCK_BOOTTIME only as /proc/uptime); never a mixture of two writes;
 * no file, a short one, another boot's, a later version's, one that a dead sidecar has left half written: no. Any
 * thread may ask.
 */
public final class StatusPage implements Baton.Page {
  /** What one write of the sidecar said, and how long it surely holds. State: 3 warming, 4 leading, 5 uncertain. */
  public record Leadership(long token, String termId, long state, long run, long change, long deadlineNs,
      Duration remaining) {}

  private static final int SIZE = 4096;
  private static final long MAGIC = 0x4741504e4f544142L; // "BATONPAG"
  private static final int BODY = 24;
  private static final int BODY_SIZE = 144; // without its sum
  private static final int QUICK_TRIES = 64; // a write takes less than a microsecond
  private static final int TRIES = 1000; // the others let the writer have the processor
  private static final VarHandle WORD =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final Path path;
  private volatile ByteBuffer page; // null until it is open
  private volatile String bootId;

  public StatusPage(Path path) {
    this.path = path;
  }

  /** Empty: this Pod does not lead. */
  public Optional<Leadership> leadership() {
    var words = page;
    if (words == null && (words = open()) == null) return Optional.empty();
    var body = copy(words);
    if (body == null || !text(body, 40, 40).equals(bootId)) return Optional.empty();
    long deadlineNs = body.getLong(0);
    long nowNs = Baton.boottimeNs();
    if (nowNs >= deadlineNs) return Optional.empty();
    return Optional.of(new Leadership(body.getLong(8), text(body, 80, 64), body.getLong(16), body.getLong(24),
        body.getLong(32), deadlineNs, Duration.ofNanos(deadlineNs - nowNs)));
  }

  @Override
  public boolean shows(String termId, long token) {
    var term = leadership();
    return term.isPresent() && term.get().token() == token && term.get().termId().equals(termId);
  }

  /** One whole write, null if there was none to be had. */
  private static ByteBuffer copy(ByteBuffer words) {
    var body = ByteBuffer.allocate(BODY_SIZE).order(ByteOrder.LITTLE_ENDIAN);
    for (int tries = 0; tries < TRIES; ++tries) {
      long sequence = (long) WORD.getAcquire(words, 16);
      if (sequence == 0) return null;
      if (sequence % 2 == 0) {
        long magic = (long) WORD.getAcquire(words, 0);
        long version = (long) WORD.getAcquire(words, 8);
        for (int i = 0; i < BODY_SIZE; i += 8) body.putLong(i, (long) WORD.getAcquire(words, BODY + i));
        if (sequence == (long) WORD.getAcquire(words, 16)) return magic == MAGIC && version == 1 ? body : null;
      }
      if (tries >= QUICK_TRIES) Thread.yield();
    }
    return null;
  }

  /** The writer takes the memory of all of the page and never gives any back: no SIGBUS. */
  private synchronized ByteBuffer open() {
    if (page != null) return page;
    try (var boot = new FileInputStream("/proc/sys/kernel/random/boot_id");
        var file = FileChannel.open(path, StandardOpenOption.READ)) {
      if (!Files.isRegularFile(path) || file.size() < SIZE) return null;
      bootId = new String(boot.readAllBytes(), StandardCharsets.US_ASCII).strip();
      page = file.map(FileChannel.MapMode.READ_ONLY, 0, SIZE);
      return page;
    } catch (IOException e) {
      return null;
    }
  }

  private static String text(ByteBuffer body, int begin, int size) {
    var bytes = new byte[size];
    body.get(begin, bytes);
    return new String(bytes, StandardCharsets.US_ASCII).split("\0", 2)[0];
  }
}
