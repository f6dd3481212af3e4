// A singleton worker: a piece of work each second, only while this Pod leads, each with the token.
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

// No piece of work takes longer, and none begins with less validity left.
constexpr std::int64_t kPieceMs = 3000;

std::int64_t now_ms() {  // the clock of deadlineBoottimeNs
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * std::int64_t{1000} + now.tv_nsec / 1000000;
}

struct Answer {
  int status = 0;  // 0: none
  std::string text;

  // What stands in the JSON string of that name; "" if there is none.
  std::string field(const std::string& name) const {
    const std::string key = "\"" + name + "\":\"";
    const auto at = text.find(key);
    if (at == std::string::npos) return "";
    const auto begin = at + key.size();
    return text.substr(begin, text.find('"', begin) - begin);
  }
};

struct Url {  // http://host:port/path
  explicit Url(const std::string& text) {
    const auto colon = text.find(':', 7), slash = text.find('/', 7);
    host = text.substr(7, colon - 7);
    port = text.substr(colon + 1, slash == std::string::npos ? slash : slash - colon - 1);
    path = slash == std::string::npos ? "" : text.substr(slash);
  }
  std::string host, port, path;
};

bool is_ready(int file, short events, std::int64_t until_ms) {
  pollfd waited{file, events, 0};
  const auto left = until_ms - now_ms();
  return left > 0 && poll(&waited, 1, static_cast<int>(left)) == 1;
}

// One request over one connection, all of it before `until_ms`. `header` is empty or a whole line.
Answer call(const Url& url, const std::string& request, const std::string& header,
            const std::string& body, std::int64_t until_ms) {
  Answer answer;
  addrinfo hints{}, *list = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &list) != 0) return answer;
  const std::string text = request + " HTTP/1.0\r\nHost: " + url.host + "\r\n" + header +
                           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  for (auto* at = list; at != nullptr && answer.status == 0; at = at->ai_next) {
    const int file = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    connect(file, at->ai_addr, at->ai_addrlen);
    if (is_ready(file, POLLOUT, until_ms) &&
        send(file, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size())) {
      char piece[4096];
      ssize_t size = -1;
      while (is_ready(file, POLLIN, until_ms) && (size = read(file, piece, sizeof piece)) > 0) {
        answer.text.append(piece, static_cast<std::size_t>(size));
      }
      // Only a whole answer counts. "HTTP/1.1 200 OK"
      if (size == 0 && answer.text.size() > 12) answer.status = std::atoi(&answer.text[9]);
    }
    close(file);
  }
  freeaddrinfo(list);
  return answer;
}

std::string variable(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

const Url kSidecar(variable("SIDECAR", "http://localhost:4040"));
const Url kStore(variable("STORE", "http://store:8080/cpp-worker"));

// The sidecar's answer if this Pod leads for kPieceMs more: no answer is no.
std::optional<Answer> leadership() {
  const auto answer = call(kSidecar, "GET /leader?minRemaining=" + std::to_string(kPieceMs) + "ms",
                           "", "", now_ms() + 1000);
  return answer.status == 200 ? std::optional(answer) : std::nullopt;
}

// Tells the sidecar. Without an answer nothing is lost: then the clock ends the term.
void tell(const std::string& path, const std::string& json) {
  call(kSidecar, "POST " + path, "Baton-Control: 1\r\n", json, now_ms() + 15000);
}

std::string term_id(const std::string& term) { return "{\"termId\":\"" + term + "\"}"; }

int main() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  const int stop = signalfd(-1, &ends, SFD_CLOEXEC);
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  std::string term, refused;  // the terms worked in last, and refused last
  do {
    const auto leader = leadership();
    const std::string led = leader ? leader->field("termId") : "";
    if (!term.empty() && led != term) {
      tell("/drained", term_id(term));  // so that the next leader need not wait for the clock
      term.clear();
    }
    if (!leader || led == refused) continue;
    // Asked again of the own clock: this process may have been stopped since the answer was
    // written.
    const auto deadline_ms = std::atoll(leader->field("deadlineBoottimeNs").c_str()) / 1000000;
    if (deadline_ms <= now_ms()) continue;
    term = led;
    const std::string token = leader->field("fencingToken");
    const auto effect =
        call(kStore, "POST " + kStore.path, "Baton-Fencing-Token: " + token + "\r\n", host,
             std::min<std::int64_t>(deadline_ms, now_ms() + kPieceMs));
    std::printf("token %s: %d\n", token.c_str(), effect.status);
    std::fflush(stdout);
    if (effect.status != 409) continue;
    refused = term;  // somebody has a higher token
    term.clear();
    tell("/fencing/rejections", "{\"token\":\"" + token + "\"}");
    tell("/resign?drained=true", term_id(refused));
  } while (!is_ready(stop, POLLIN, now_ms() + 1000));
  if (!term.empty()) tell("/resign?drained=true&wait=10s", term_id(term));
}
