// What the scenarios in Pods put beside the sidecar, as one static program, and the fenced store.
//
//   worker work       each effect is a line in $EFFECTS/effects and a request to the store; where
//                     $SERVES is a port it answers HTTP there
//   worker store PORT FOLDER   refuses a token below the highest seen for a resource; writes each
//                     request into FOLDER/<resource>/store before it answers
//   worker ledger PORT FOLDER   a service that checks no token, on the loopback alone: writes each
//                     request into FOLDER/store, once for an Idempotency-Key
//   worker clocks     prints CLOCK_BOOTTIME and CLOCK_REALTIME, in ns
//   worker say METHOD TARGET [WAIT_S]   one request to the sidecar, for preStop hooks
//
// Lines: `<boottime ns> <Pod> <word> <token>`, word is effect, refused or unanswered (by the
// store), start, term (SIGTERM came) or exit, in the store's file taken or refused. How the worker
// takes loss and SIGTERM:
//
//   ASKS=always  polls GET /leader and works until the deadline of the last answer
//   ASKS=once    asks until it leads, then works until its process ends
//   ASKS=hold    holds /leader/events?hold=true; works on for WORKS_ON_MS while draining
//   SAYS_READY   posts /ready-to-lead when a term begins
//   PACE_MS      between two effects, 5 unless set
//   FOR_MS       ends by itself after so much work, as a Job does
//   CRASH_MS     exits with 1 so many milliseconds after its start
//   HEALTH_PORT  answers 200 there until SIGTERM or SIGUSR1 closes the port; SIGUSR1 opens it again
//   GATEWAY      address of a gateway, asked with tokens of SCOPE in place of the store, and again
//                until it says taken or refused
//   SIDECAR      path of the sidecar's Unix socket, where it is not on 127.0.0.1:4040
//   ON_TERM      exit | ignore | a number: works on for so many milliseconds
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>

namespace {

constexpr int kSidecarPort = 4040;
constexpr std::int64_t kPerMs = 1'000'000;

std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

std::int64_t boottime_ns() { return read_clock(CLOCK_BOOTTIME); }

std::string setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

// A new socket, connected, or -1.
int connect_to(const sockaddr& to, socklen_t size, int timeout_ms) {
  const int socket = ::socket(to.sa_family, SOCK_STREAM, 0);
  const timeval limit{timeout_ms / 1000, timeout_ms % 1000 * 1000};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // where it is TCP
  if (connect(socket, &to, size) != 0) {
    close(socket);
    return -1;
  }
  return socket;
}

int connect_to(const char* address, int port, int timeout_ms) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, address, &to.sin_addr);
  return connect_to(reinterpret_cast<sockaddr&>(to), sizeof to, timeout_ms);
}

int connect_to_sidecar(int timeout_ms) {
  const std::string path = setting("SIDECAR", "");
  if (path.empty()) {
    return connect_to("127.0.0.1", kSidecarPort, timeout_ms);
  }
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  path.copy(to.sun_path, sizeof to.sun_path - 1);
  return connect_to(reinterpret_cast<sockaddr&>(to), sizeof to, timeout_ms);
}

int listen_on(int port, in_addr_t address = INADDR_ANY) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(static_cast<std::uint16_t>(port));
  any.sin_addr.s_addr = htonl(address);
  if (bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0 ||
      listen(listener, 64) != 0) {
    std::perror("worker: listen");
    _exit(1);
  }
  return listener;
}

bool send_all(int socket, const std::string& text) {
  return send(socket, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

// The answer, or nothing. One `connection` (-1: none yet) serves all requests until it breaks.
std::string exchange(int& connection, const std::function<int()>& connect,
                     const std::string& request) {
  if (connection < 0) {
    connection = connect();
  }
  std::string answer;
  if (connection >= 0 && send_all(connection, request)) {
    char part[4096];
    for (;;) {
      const ssize_t count = recv(connection, part, sizeof part, 0);
      if (count <= 0) {
        break;
      }
      answer.append(part, static_cast<std::size_t>(count));
      const auto body = answer.find("\r\n\r\n");
      const char* length = strcasestr(answer.c_str(), "content-length:");
      if (body != std::string::npos && length != nullptr &&
          answer.size() >= body + 4 + std::strtoul(length + 15, nullptr, 10)) {
        return answer;
      }
    }
  }
  close(connection);
  connection = -1;
  return "";
}

// The sidecar's answer, or nothing.
std::string ask(const std::string& method, const std::string& target, int timeout_ms) {
  static int connection = -1;
  return exchange(
      connection, [timeout_ms] { return connect_to_sidecar(timeout_ms); },
      method + " " + target +
          " HTTP/1.1\r\nHost: localhost\r\nBaton-Control: 1\r\nContent-Length: 0\r\n\r\n");
}

// The value of a header, or nothing.
std::string header(const std::string& message, const std::string& name) {
  const char* at = strcasestr(message.c_str(), ("\r\n" + name + ": ").c_str());
  return at == nullptr ? "" : std::string(at + name.size() + 4, strstr(at + 2, "\r\n"));
}

// The value of a member of a JSON document of which no string holds a quotation mark.
std::string member(const std::string& document, const std::string& name) {
  auto at = document.find("\"" + name + "\":");
  if (at == std::string::npos) {
    return "";
  }
  at = document.find_first_not_of(" \"", at + name.size() + 3);
  return document.substr(at, document.find_first_of("\",}", at) - at);
}

bool write_line(int log, const std::string& pod, const char* word, const std::string& token) {
  char line[256];
  const int length =
      std::snprintf(line, sizeof line, "%lld %s %s %s\n", static_cast<long long>(boottime_ns()),
                    pod.c_str(), word, token.c_str());
  return write(log, line, static_cast<std::size_t>(length)) == length;
}

struct Leadership {
  bool leads = false;
  std::string token;
  std::int64_t deadline_ns = 0;
};

Leadership read_leadership(const std::string& document) {
  Leadership told;
  told.leads = member(document, "isLeader") == "true";
  told.token = member(document, "fencingToken");
  told.deadline_ns = std::strtoll(member(document, "deadlineBoottimeNs").c_str(), nullptr, 10);
  return told;
}

volatile sig_atomic_t got_sigterm = 0, is_silent = 0;

// A signal would end a call that has a time limit.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before_);
  }
  ~SignalsHeld() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_;
};

// Whoever asks gets 200; called at the pace of the work.
class HealthUrl {
 public:
  void serve() {
    if (port_ == 0) {
      return;
    }
    if (is_silent != 0 || got_sigterm != 0) {
      close(listener_);
      listener_ = -1;
      return;
    }
    if (listener_ < 0) {
      listener_ = listen_on(port_);
    }
    pollfd readable{listener_, POLLIN, 0};
    while (poll(&readable, 1, 0) > 0) {
      const int client = accept(listener_, nullptr, nullptr);
      const timeval limit{0, 100'000};
      setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      char request[1024];
      recv(client, request, sizeof request, 0);
      send_all(client, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      close(client);
    }
  }

 private:
  const int port_ = std::atoi(setting("HEALTH_PORT", "0").c_str());
  int listener_ = -1;
};

class Worker {
 public:
  int run() {
    log_ = open((setting("EFFECTS", "/effects") + "/effects").c_str(),
                O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    signal(SIGTERM, [](int) { got_sigterm = 1; });
    signal(SIGUSR1, [](int) { is_silent = 1 - is_silent; });
    write_line("start", "0");
    const std::int64_t for_ms = std::atoll(setting("FOR_MS", "0").c_str());
    const std::int64_t crash_ms = std::atoll(setting("CRASH_MS", "0").c_str());
    const std::int64_t started_ns = boottime_ns();
    HealthUrl health;
    while (!ended()) {
      if (crash_ms != 0 && boottime_ns() > started_ns + crash_ms * kPerMs) {
        return 1;
      }
      health.serve();
      const Leadership now = asks_ == "hold" ? held() : polled();
      if (now.leads) {
        effect(now.token);
        began_ns_ = began_ns_ != 0 ? began_ns_ : boottime_ns();
        if (for_ms != 0 && boottime_ns() > began_ns_ + for_ms * kPerMs) {
          break;
        }
      }
      poll(nullptr, 0, now.leads ? pace_ms_ : 20);
    }
    write_line("exit", "0");
    return 0;
  }

 private:
  bool ended() {
    if (got_sigterm == 0) {
      return false;
    }
    if (term_ns_ == 0) {
      term_ns_ = boottime_ns();
      write_line("term", "0");
    }
    if (on_term_ == "ignore") {
      return false;
    }
    return boottime_ns() >= term_ns_ + std::atoll(on_term_.c_str()) * kPerMs;
  }

  Leadership polled() {
    if (asks_ == "once" && told_.leads) {
      return told_;
    }
    if (const std::string answer = ask("GET", "/leader", 200); !answer.empty()) {
      told_ = read_leadership(answer);
    }
    return told_.leads && boottime_ns() < told_.deadline_ns ? told_ : Leadership{};
  }

  // The end of the connection is the promise that the work has ended: so it is closed after that.
  Leadership held() {
    if (stream_ < 0) {
      stream_ = connect_to_sidecar(1000);
      if (stream_ < 0 || !send_all(stream_,
                                   "GET /leader/events?hold=true HTTP/1.1\r\n"
                                   "Host: localhost\r\n\r\n")) {
        close(stream_);
        stream_ = -1;
        return {};
      }
      events_.clear();
    }
    pollfd readable{stream_, POLLIN, 0};
    bool broke = false;
    while (!broke && poll(&readable, 1, 0) > 0) {
      char part[4096];
      const ssize_t count = recv(stream_, part, sizeof part, 0);
      broke = count <= 0;
      events_.append(part, broke ? 0 : static_cast<std::size_t>(count));
    }
    if (const auto last = events_.rfind("data:");
        last != std::string::npos && events_.find("\n", last) != std::string::npos) {
      const Leadership told = read_leadership(events_.substr(last));
      if (told_.leads && !told.leads && events_.find("draining", last) != std::string::npos) {
        lost_ns_ = boottime_ns();  // the Lease is kept for as long as it works on
      }
      told_ = told.leads ? told : Leadership{false, told_.token, told_.deadline_ns};
    }
    const bool working_on = lost_ns_ != 0 && boottime_ns() < lost_ns_ + works_on_ms_ * kPerMs;
    if (broke || (lost_ns_ != 0 && !working_on)) {
      close(stream_);
      stream_ = -1;
      lost_ns_ = 0;
      told_ = {};
      return {};
    }
    const bool leads = told_.leads && boottime_ns() < told_.deadline_ns;
    return {leads || working_on, told_.token, told_.deadline_ns};
  }

  void effect(const std::string& token) {
    if (says_ready_ && token != ready_) {
      ask("POST", "/ready-to-lead", 1000);
      ready_ = token;
    }
    write_line("effect", token);
    if (!gateway_.empty()) {
      return post(token);
    }
    const SignalsHeld held;
    if (store_ < 0) {
      // Nothing acts while it waits, so the limit is against a hang only.
      store_ = connect_to(setting("STORE", "10.200.0.1").c_str(), 9000, 20'000);
    }
    char verdict = 0;
    if (store_ < 0 || !send_all(store_, resource_ + " " + token + " " + pod_ + "\n") ||
        recv(store_, &verdict, 1, 0) != 1) {
      write_line("unanswered", token);
      close(store_);
      store_ = -1;
    } else if (verdict != '+') {
      write_line("refused", token);
    }
  }

  // What got no answer may have been done: the same is sent again, by its key.
  void post(const std::string& token) {
    const std::string request =
        "POST / HTTP/1.1\r\nHost: ledger\r\nBaton-Fencing-Token: " + token +
        "\r\nBaton-Fencing-Scope: " + setting("SCOPE", "") + "\r\nIdempotency-Key: " + token + ":" +
        std::to_string(boottime_ns()) + "\r\nX-Pod: " + pod_ + "\r\nContent-Length: 0\r\n\r\n";
    std::string status;
    do {
      const SignalsHeld held;
      const std::string answer = exchange(
          store_, [this] { return connect_to(gateway_.c_str(), 8080, 20'000); }, request);
      status = answer.size() > 12 ? answer.substr(9, 3) : "";
      poll(nullptr, 0, status == "200" ? 0 : 20);
    } while (status != "200" && status != "409" && got_sigterm == 0);
    if (status != "200") {
      write_line(status == "409" ? "refused" : "unanswered", token);
    }
  }

  void write_line(const char* word, const std::string& token) const {
    if (!::write_line(log_, pod_, word, token)) {
      _exit(3);
    }
  }

  const std::string pod_ = setting("POD", "pod");
  const std::string resource_ = setting("RESOURCE", "resource");
  const std::string gateway_ = setting("GATEWAY", "");
  const std::string asks_ = setting("ASKS", "always");
  const std::string on_term_ = setting("ON_TERM", "exit");
  const std::int64_t works_on_ms_ = std::atoll(setting("WORKS_ON_MS", "0").c_str());
  const int pace_ms_ = std::atoi(setting("PACE_MS", "5").c_str());
  const bool says_ready_ = !setting("SAYS_READY", "").empty();
  std::string ready_;  // token of the term that it said so for
  int log_ = -1, store_ = -1, stream_ = -1;
  Leadership told_;
  std::string events_;
  std::int64_t term_ns_ = 0, lost_ns_ = 0, began_ns_ = 0;
};

// Takes what is complete off `text`, which has come from `client`; false closes the connection.
using Take = std::function<bool(int client, std::string& text)>;

int serve(int listener, const Take& take) {
  std::map<int, std::string> clients;  // with what has come and is not complete
  for (;;) {
    pollfd wanted[128] = {{listener, POLLIN, 0}};
    nfds_t count = 1;
    for (const auto& [client, text] : clients) {
      if (count < 128) {
        wanted[count++] = {client, POLLIN, 0};
      }
    }
    poll(wanted, count, -1);
    if ((wanted[0].revents & POLLIN) != 0) {
      clients[accept(listener, nullptr, nullptr)];
    }
    for (nfds_t i = 1; i < count; ++i) {
      if (wanted[i].revents == 0) {
        continue;
      }
      char part[512];
      const int client = wanted[i].fd;
      const ssize_t length = recv(client, part, sizeof part, 0);
      if (length > 0) {
        clients[client].append(part, static_cast<std::size_t>(length));
      }
      if (length <= 0 || !take(client, clients[client])) {
        close(client);
        clients.erase(client);
      }
    }
  }
}

// A line for each request: `<resource> <token> <Pod>`; the answer is + or -.
int serve_store(int port, const std::string& folder) {
  struct Resource {
    int log = -1;
    long long highest = 0;
  };
  std::map<std::string, Resource> resources;
  return serve(listen_on(port), [&](int client, std::string& text) {
    for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      std::istringstream request(text.substr(0, end));
      text.erase(0, end + 1);
      std::string name, token, pod;
      request >> name >> token >> pod;
      const auto [entry, is_new] = resources.try_emplace(name);
      Resource& resource = entry->second;
      if (is_new) {
        resource.log = open((folder + "/" + name + "/store").c_str(),
                            O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
      }
      const long long number = std::atoll(token.c_str());
      const bool taken = number >= resource.highest;
      if (!write_line(resource.log, pod, taken ? "taken" : "refused", token)) {
        return false;  // nothing that is not on record is answered
      }
      resource.highest = taken ? number : resource.highest;
      send_all(client, taken ? "+" : "-");
    }
    return true;
  });
}

int serve_ledger(int port, const std::string& folder) {
  const auto append = [&folder](const char* name) {
    return open((folder + name).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  };
  std::set<std::string> keys;  // also of its predecessors
  std::ifstream known(folder + "/keys");
  for (std::string key; known >> key;) {
    keys.insert(key);
  }
  const int log = append("/store"), key_log = append("/keys");
  return serve(listen_on(port, INADDR_LOOPBACK), [&](int client, std::string& text) {
    if (text.find("\r\n\r\n") == std::string::npos) {
      return true;
    }
    const std::string request = std::exchange(text, "");
    const std::string key = header(request, "Idempotency-Key") + "\n";
    const bool is_written =
        !keys.insert(key.substr(0, key.size() - 1)).second ||
        (write_line(log, header(request, "X-Pod"), "taken",
                    header(request, "Baton-Fencing-Token")) &&
         write(key_log, key.data(), key.size()) == static_cast<ssize_t>(key.size()));
    return is_written && send_all(client, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
}

// What only the leader gives: it asks its sidecar for each request, answers 200 with its Pod and
// token or 503, and keeps no connection open once it has said no.
int serve_http(int port) {
  return serve(listen_on(port), [pod = setting("POD", "pod")](int client, std::string& text) {
    if (text.find("\r\n\r\n") == std::string::npos) {
      return true;
    }
    text.clear();
    const Leadership now = read_leadership(ask("GET", "/leader", 200));
    const bool leads = now.leads && boottime_ns() < now.deadline_ns;
    const std::string body = pod + " " + (leads ? now.token : "0") + "\n";
    return send_all(client, std::string("HTTP/1.1 ") + (leads ? "200 OK" : "503 Standby") +
                                "\r\nContent-Length: " + std::to_string(body.size()) +
                                (leads ? "" : "\r\nConnection: close") + "\r\n\r\n" + body) &&
           leads;
  });
}

}  // namespace

int main(int count, char** words) {
  const std::string what = count > 1 ? words[1] : "";
  if (what == "work") {
    // A process of its own, which ends with this one, the first of its container.
    if (const int port = std::atoi(setting("SERVES", "0").c_str()); port != 0 && fork() == 0) {
      return serve_http(port);
    }
    return Worker().run();
  }
  if (what == "store" && count == 4) {
    return serve_store(std::atoi(words[2]), words[3]);
  }
  if (what == "ledger" && count == 4) {
    return serve_ledger(std::atoi(words[2]), words[3]);
  }
  if (what == "clocks") {
    std::printf("%lld %lld\n", static_cast<long long>(boottime_ns()),
                static_cast<long long>(read_clock(CLOCK_REALTIME)));
    return 0;
  }
  if (what == "say" && count >= 4) {
    const std::string answer =
        ask(words[2], words[3], 1000 * (count > 4 ? std::atoi(words[4]) : 1));
    std::printf("%s\n", answer.c_str());
    return answer.rfind("HTTP/1.1 2", 0) == 0 ? 0 : 1;
  }
  std::fprintf(stderr,
               "usage: worker work | store PORT FOLDER | ledger PORT FOLDER | clocks | "
               "say METHOD TARGET [WAIT_S]\n");
  return 2;
}
