// baton for C++: run work only while this Pod leads. Copy this header; it needs C++17, threads and
// Linux.
//
//   baton::Client client;
//   client.lead([](baton::Term& term) {              // called for each term that this Pod leads
//     while (term.pause(std::chrono::seconds(1))) {  // a second passed, the term holds
//       write(term.headers(), std::min<baton::Duration>(3s, term.remaining()));
//     }
//   });
//
// Promised
// - Work starts only after the sidecar's yes, over a connection that is still open, before its
//   deadline.
// - leading(), remaining() and pause() ask CLOCK_BOOTTIME at that moment: no thread, timer or
//   answer need come in time. Once a term is over they say so for ever.
// - No answer is no: refused, silent, garbled, cut off, the last deadline holds and nothing longer.
// - With the status page, Client("", "", page) and baton_page.h, they ask that too: a term that is
//   not on it with this token at that moment is over. The page takes away and never adds.
// - Another term id is a loss, then a gain, also if the Pod never ceased to lead.
// - The connection that tells the sidecar that work runs (hold=true) is closed by this header only
//   while no work runs. So end in it what it began: threads, requests and child processes too.
//
// Not promised
// - That work stops: nothing can stop it. Ask before each piece, bound each by remaining(), or use
//   on_loss().
// - That a process paused between asking and acting does nothing late: only a resource that checks
//   the token can refuse that. Send headers() with each effect; tell a refusal by rejected().
// - That what got no answer, 502 or 504 did not happen. Send it again, with the same idempotency
//   key.
//
// After a loss work is to return; what it throws then is taken for its consequence and dropped. If
// it returns or throws while it leads, the term is resigned and lead() ends with it. stop() ends
// lead(); it is no function for a signal handler: wait for SIGTERM in a thread.
//
// The example, beside a running scripts/quickstart, from the top folder:
//   g++ -std=c++17 -pthread -o build/example-cpp clients/cpp/example.cc && build/example-cpp
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace baton {

using Duration = std::chrono::nanoseconds;
class Client;

namespace internal {
struct Answer {
  bool leads = false;
  std::string term_id = {}, scope = {};
  std::int64_t token = 0, deadline_ns = 0;
};
}  // namespace internal

/// One leadership as one call of the work sees it. Any thread may call any method while the work
/// runs.
class Term {
 public:
  std::int64_t token() const { return token_; }
  const std::string& term_id() const { return term_id_; }
  /// NAMESPACE/ELECTION.
  const std::string& scope() const { return scope_; }

  /// Until the deadline as it is known now; 0 once the term is over.
  Duration remaining();
  bool leading() { return remaining() > Duration(0); }
  /// Waits so long, or until the term is over. True if it still holds.
  bool pause(Duration duration);
  /// Has `hook` called once, by another thread, if the term ends before the work has returned.
  void on_loss(std::function<void()> hook);

  /// A resource refused the token: somebody has a higher one (0: not known). Ends the term, reports
  /// it, and has the term resigned when the work has returned. True if the sidecar took the report.
  bool rejected(const std::string& resource = "", std::int64_t highest_token = 0);
  /// This term's work has ended, though the function runs on: ends the term and has it released
  /// now.
  bool drained();
  /// The application has recovered its state (the sidecar's gate on warming up, if it is set).
  bool ready();
  /// Of a request or message that has an effect: the token, and the scope that its receiver fences
  /// by: the election's for "", or another that was agreed on with it. Throws std::invalid_argument
  /// if that is not 1 to 512 visible ASCII characters.
  std::map<std::string, std::string> headers(const std::string& scope = "") const;
  /// Of (token, operation id), for effects that check no token: the same for each try in this term,
  /// so that one of unknown outcome can be sent again. In a later term it is another one; what must
  /// never happen twice takes the operation id alone.
  std::string idempotency_key(const std::string& operation) const;

 private:
  friend class Client;
  Term(Client& client, const internal::Answer& answer)
      : client_(client),
        term_id_(answer.term_id),
        scope_(answer.scope),
        token_(answer.token),
        deadline_ns_(answer.deadline_ns) {}
  Duration left();  // remaining(), under the client's mutex
  void give_up();

  Client& client_;
  const std::string term_id_, scope_;
  const std::int64_t token_;
  // Guarded by the client's mutex.
  std::int64_t deadline_ns_;
  bool is_over_ = false, has_lapsed_ = false, is_given_up_ = false;
  std::vector<std::function<void()>> hooks_;
};

namespace internal {

constexpr std::chrono::milliseconds kTick(
    250);  // cuts waits, so that a suspended machine is noticed
constexpr std::chrono::milliseconds kRetry(250);  // from one try to connect to the next
constexpr std::chrono::seconds kConnect(1);
constexpr std::chrono::seconds kAnswer(5);    // for an answer's head, and for the answer to a call
constexpr std::chrono::seconds kSilence(40);  // of a stream that beats every 15 s
constexpr std::size_t kLongest = 65536;       // bytes of a head or an event

inline std::int64_t boottime_ns() {
  timespec now{};
  if (clock_gettime(CLOCK_BOOTTIME, &now) != 0) std::abort();  // nothing can be believed without it
  return std::int64_t{1'000'000'000} * now.tv_sec + now.tv_nsec;
}

inline bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

/// False if that did not come in time.
inline bool wait_for(int file, short events, Duration limit) {
  pollfd waited{file, events, 0};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
  return poll(&waited, 1, static_cast<int>(std::max<std::int64_t>(left, 1))) == 1;
}

struct Address {
  sockaddr_storage where{};
  socklen_t size = 0;
};

inline std::vector<Address> parse_addresses(const std::string& text) {
  std::vector<Address> found;
  for (std::size_t begin = 0, end = 0; begin <= text.size(); begin = end + 1) {
    end = std::min(text.find(',', begin), text.size());
    std::string part = text.substr(begin, end - begin);
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
    const auto refuse = [&] {
      return std::invalid_argument("address \"" + part +
                                   "\": write 127.0.0.1:4040, [::1]:4040 or unix:/path");
    };
    Address address;
    if (starts_with(part, "unix:/")) {
      sockaddr_un local{};
      local.sun_family = AF_UNIX;
      const std::string path = part.substr(5);
      if (path.size() >= sizeof local.sun_path) throw refuse();
      std::memcpy(local.sun_path, path.c_str(), path.size() + 1);
      std::memcpy(&address.where, &local, sizeof local);
      address.size = sizeof local;
      found.push_back(address);
      continue;
    }
    const auto colon = part.rfind(':');
    if (colon == std::string::npos) throw refuse();
    const std::string port = part.substr(colon + 1);
    const bool is_number = !port.empty() && port.size() <= 5 &&
                           port.find_first_not_of("0123456789") == std::string::npos;
    const int number = is_number ? std::atoi(port.c_str()) : 0;
    if (number < 1 || number > 65535) throw refuse();
    std::string host = part.substr(0, colon);
    const bool is_any = host.empty() || host == "localhost";
    if (is_any || host == "0.0.0.0") host = "127.0.0.1";
    if (host == "[::]") host = "[::1]";
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<std::uint16_t>(number));
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
      std::memcpy(&address.where, &v4, sizeof v4);
      address.size = sizeof v4;
      found.push_back(address);
      if (!is_any) continue;
      host = "[::1]";
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = v4.sin_port;
    if (host.size() < 3 || host.front() != '[' || host.back() != ']' ||
        inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6.sin6_addr) != 1) {
      throw refuse();
    }
    std::memcpy(&address.where, &v6, sizeof v6);
    address.size = sizeof v6;
    found.push_back(address);
  }
  return found;
}

/// A connection with the request sent, nothing read yet; -1 if nobody took it in time.
inline Descriptor request(const Address& address, Duration limit, const std::string& what,
                          const std::string& body) {
  const auto* where = reinterpret_cast<const sockaddr*>(&address.where);
  Descriptor file(socket(where->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (connect(file.get(), where, address.size) != 0) {
    int error = 0;
    socklen_t size = sizeof error;
    if (errno != EINPROGRESS || !wait_for(file.get(), POLLOUT, limit) ||
        getsockopt(file.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
      return Descriptor();
    }
  }
  // Goes into an empty socket's buffer as a whole.
  const std::string text = what +
                           " HTTP/1.0\r\nHost: localhost\r\nBaton-Control: 1\r\nContent-Length: " +
                           std::to_string(body.size()) + "\r\n\r\n" + body;
  if (send(file.get(), text.data(), text.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(text.size())) {
    return Descriptor();
  }
  return file;
}

/// The status of an answer's first line; 0 if it is none.
inline int status_of(std::string_view text) {
  const bool is_http = text.size() >= 12 && starts_with(text, "HTTP/1.") &&
                       (text[7] == '0' || text[7] == '1') && text[8] == ' ';
  if (!is_http || (text.size() > 12 && text[12] != ' ' && text[12] != '\r')) return 0;
  const std::string_view digits = text.substr(9, 3);
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return 0;
  return std::atoi(std::string(digits).c_str());
}

inline const std::string& visible(const std::string& text, std::size_t most, const char* what) {
  const auto is_visible = [](char letter) { return letter >= '!' && letter <= '~'; };
  if (!text.empty() && text.size() <= most && std::all_of(text.begin(), text.end(), is_visible)) {
    return text;
  }
  throw std::invalid_argument(std::string(what) + " has 1 to " + std::to_string(most) +
                              " visible ASCII characters");
}

inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') out += '\\';
    out += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
  }
  return out + '"';
}

inline std::string object(const std::map<std::string, std::string>& fields) {
  std::string out;
  for (const auto& [key, value] : fields) {
    out += (out.empty() ? "{" : ",") + quoted(key) + ":" + quoted(value);
  }
  return out + "}";
}

/// The members of one JSON object, as they are written. Enough of JSON to tell a document from
/// garbage: nesting and strings are followed, the words in between are not looked at.
class Members {
 public:
  explicit Members(std::string_view text) : text_(text) {}

  std::optional<std::map<std::string, std::string>> read() {
    std::map<std::string, std::string> members;
    if (!take('{')) return std::nullopt;
    do {
      const std::string key = value();
      if (key.size() < 2 || key[0] != '"' || !take(':')) return std::nullopt;
      const std::string found = value();
      if (found.empty()) return std::nullopt;
      members[key.substr(1, key.size() - 2)] = found;
    } while (take(','));
    if (!take('}')) return std::nullopt;
    skip();
    return at_ == text_.size() ? std::optional(members) : std::nullopt;
  }

 private:
  void skip() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  bool take(char wanted) {
    skip();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  /// A whole value; "" if there is none.
  std::string value() {
    skip();
    const auto begin = at_;
    std::string open;
    do {
      if (at_ == text_.size()) return "";
      const char letter = text_[at_++];
      if (letter == '"') {
        for (; at_ < text_.size() && text_[at_] != '"'; ++at_) at_ += text_[at_] == '\\' ? 1U : 0U;
        if (at_ >= text_.size()) return "";
        ++at_;
      } else if (letter == '{' || letter == '[') {
        open += letter == '{' ? '}' : ']';
      } else if (!open.empty() && letter == open.back()) {
        open.pop_back();
      } else if (letter == '}' || letter == ']' ||
                 (open.empty() && (letter == ',' || letter == ':'))) {
        return "";
      } else if (open.empty()) {
        at_ = std::min(text_.find_first_of(",:{}[]\" \t\r\n", at_), text_.size());
      }
    } while (!open.empty());
    return std::string(text_.substr(begin, at_ - begin));
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

/// Empty if that is no status document.
inline std::optional<Answer> read_answer(std::string_view text) {
  const auto members = Members(text).read();
  if (!members) return std::nullopt;
  const auto member = [&](const char* name) {
    const auto found = members->find(name);
    return found == members->end() ? std::string() : found->second;
  };
  if (member("isLeader") == "false") return Answer{};
  if (member("isLeader") != "true") return std::nullopt;
  const auto is_of = [](const std::string& value, const char* letters, std::size_t most) {
    return !value.empty() && value.size() <= most &&
           value.find_first_not_of(letters) == std::string::npos;
  };
  const auto text_in = [&](const char* name) {  // "" if that is no string, or one with escapes
    const std::string value = member(name);
    return value.size() < 2 || value[0] != '"' ? "" : value.substr(1, value.size() - 2);
  };
  // Tokens end at 10^18-1, deadlines after 31 years.
  const auto number = [&](const std::string& value) {
    return is_of(value, "0123456789", 18) && value[0] != '0' ? std::atoll(value.c_str()) : 0;
  };
  const std::string space = text_in("namespace"), election = text_in("election");
  const Answer answer{true, text_in("termId"), space + "/" + election,
                      number(text_in("fencingToken")), number(text_in("deadlineBoottimeNs"))};
  const std::string valid = member("validForMs");
  const char* name = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-";
  const bool is_whole = is_of(answer.term_id, name, 100) && is_of(space, name, 253) &&
                        is_of(election, name, 253) && answer.token > 0 &&
                        is_of(valid, "0123456789", 10);
  // More left than the sidecar saw when it wrote that: its clock is not ours. No yes can be trusted
  // then.
  const std::int64_t left = answer.deadline_ns - boottime_ns();
  const bool is_sound = is_whole && left > 0 && left <= (std::atoll(valid.c_str()) + 1) * 1'000'000;
  return is_sound ? answer : Answer{};
}

/// The answer to the request for the stream, from its bytes. HTTP/1.0, so the body is the events.
class Events {
 public:
  /// The answers that have become whole, for `take`. "", or why this is no such stream, or one too
  /// long.
  template <typename Take>
  std::string feed(std::string_view data, Take take) {
    if (is_broken || is_refused()) return "";
    text_ += data;
    if (status == 0) {
      const auto end = text_.find("\r\n\r\n");
      if (std::min(end, text_.size()) > kLongest)
        return broken("no HTTP answer: its head does not end");
      if (end == std::string::npos) return "";
      const std::string head = text_.substr(0, end);
      text_.erase(0, end + 4);
      if (std::string why = read_head(head); !why.empty()) return broken(why);
    }
    std::size_t begin = 0;
    for (auto end = text_.find('\n'); end != std::string::npos; end = text_.find('\n', begin)) {
      std::string_view line = std::string_view(text_).substr(begin, end - begin);
      begin = end + 1;
      while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      if (starts_with(line, "data:")) {
        data_ += line.substr(5);
      } else if (line.empty() && !data_.empty()) {
        if (const auto answer = read_answer(std::exchange(data_, {}))) take(*answer);
      }
    }
    text_.erase(0, begin);
    return text_.size() + data_.size() > kLongest ? broken("an event does not end") : "";
  }

  bool is_refused() const { return status != 0 && status != 200; }
  int status = 0;
  bool is_broken = false;

 private:
  std::string broken(std::string why) {
    is_broken = true;
    return why;
  }

  std::string read_head(const std::string& head) {
    status = status_of(head);
    if (status == 0) return "no HTTP answer: does something else listen there?";
    if (is_refused()) return "refused: " + head.substr(0, head.find('\r'));
    std::string lines = head + "\r\n";
    std::transform(lines.begin(), lines.end(), lines.begin(), [](char letter) {
      return static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
    });
    const auto type = lines.find("\r\ncontent-type:");
    const auto value = type == std::string::npos ? type : lines.find_first_not_of(" \t", type + 15);
    const std::string_view stream = "text/event-stream";
    const bool is_stream = value != std::string::npos &&
                           lines.compare(value, stream.size(), stream) == 0 &&
                           std::strchr("; \t\r", lines[value + stream.size()]) != nullptr;
    if (is_stream && lines.find("\r\ntransfer-encoding:") == std::string::npos) return "";
    return "not a plain event stream: does something else listen there?";
  }

  std::string text_, data_;
};

}  // namespace internal

/// The sidecar as this process sees it.
class Client {
 public:
  /// `address`: as BATON_LOCAL_ADDRESS, which it defaults to. `holder`: the own name where the
  /// sidecar's setting `holders` names several working containers. Throws std::invalid_argument.
  explicit Client(std::string address = "", std::string holder = "")
      : holder_(std::move(holder)), bell_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    const char* variable = std::getenv("BATON_LOCAL_ADDRESS");
    if (address.empty() && variable != nullptr) address = variable;
    addresses_ = internal::parse_addresses(address.empty() ? "localhost:4040" : address);
  }
  /// With the sidecar's status page, a baton::StatusPage (baton_page.h) that outlives this. Without
  /// one the deadline of the last answer alone counts.
  template <typename Page>
  Client(std::string address, std::string holder, Page& page)
      : Client(std::move(address), std::move(holder)) {
    shows_ = [&page](const std::string& term_id, std::int64_t token) {
      const auto shown = page.leadership();
      return shown && shown->term_id == term_id && static_cast<std::int64_t>(shown->token) == token;
    };
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Calls `work` for each term until stop(), or until it returns while leading.
  void lead(const std::function<void(Term&)>& work) {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(is_leading_, true)) throw std::logic_error("lead() runs already");
      is_closing_ = false;
    }
    std::thread watcher([this] { watch(); });
    std::exception_ptr failure;
    while (next_term() && !run(work, failure)) {
    }
    {
      const std::lock_guard lock(mutex_);
      is_closing_ = true;
    }
    ring();
    watcher.join();
    {
      const std::lock_guard lock(mutex_);
      is_leading_ = false;
    }
    if (failure) std::rethrow_exception(failure);
  }

  /// Ends the term; lead() returns when the work has, and if it is called later. Any thread.
  void stop() {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    if (term_) term_->is_over_ = true;
    changed_.notify_all();
    ring();
  }

  /// Why there is no answer, for people; "" while there is one.
  std::string problem() const {
    const std::lock_guard lock(mutex_);
    return problem_;
  }

 private:
  friend class Term;
  using Clock = std::chrono::steady_clock;

  bool next_term() {
    std::unique_lock lock(mutex_);
    while (!is_stopping_) {
      if (answer_ && answer_->leads && answer_->term_id != done_ &&
          internal::boottime_ns() < answer_->deadline_ns) {
        const bool is_shown = shows_(answer_->term_id, answer_->token);
        problem_ = is_shown ? "" : "the status page does not say that this Pod leads";
        if (is_shown) {
          term_.reset(new Term(*this, *answer_));
          return true;
        }
      }
      changed_.wait_for(lock, internal::kTick);
    }
    return false;
  }

  /// True if the work ended by itself; `failure` is then what it threw.
  bool run(const std::function<void(Term&)>& work, std::exception_ptr& failure) {
    std::exception_ptr thrown;
    try {
      if (term_->leading()) work(*term_);
    } catch (...) {
      thrown = std::current_exception();
    }
    std::unique_lock lock(mutex_);
    const bool by_itself = term_->left() > Duration(0);
    term_->is_over_ = true;
    term_->hooks_
        .clear();  // one that has begun is waited for: none may meet what comes after this term
    while (is_hooking_) changed_.wait_for(lock, internal::kTick);
    const bool gives_up = by_itself || term_->is_given_up_ || is_stopping_;
    const bool told_no = (answer_ && (!answer_->leads || answer_->term_id != term_->term_id_)) ||
                         (!term_->has_lapsed_ && !shows_(term_->term_id_, term_->token_));
    const std::string term_id = term_->term_id_;
    lock.unlock();
    if (gives_up) {
      say_drained("/resign?drained=true", term_id);
    } else if (told_no) {  // so that the next leader need not wait for the clock
      say_drained("/drained", term_id);
    }
    lock.lock();
    if (gives_up) done_ = term_id;
    term_.reset();
    ring();
    if (by_itself) failure = thrown;
    return by_itself;
  }

  void take(const std::optional<internal::Answer>& answer) {
    const std::lock_guard lock(mutex_);
    answer_ = answer;
    if (term_ && answer && term_->left() > Duration(0)) {  // first: what has lapsed stays so
      if (answer->leads && answer->term_id == term_->term_id_ && answer->token == term_->token_) {
        term_->deadline_ns_ = answer->deadline_ns;
      } else {
        term_->is_over_ = true;
      }
    }
    changed_.notify_all();
  }

  // The watcher's thread: holds the stream, ends terms in time, runs hooks.

  void watch() {
    while (!is_closing()) {
      if (auto stream = connect(); stream.get() >= 0) {
        hold(stream.get());
        take(std::nullopt);
      }
      wait(internal::kRetry, -1);
    }
  }

  bool is_closing() const {
    const std::lock_guard lock(mutex_);
    return is_closing_;
  }

  /// Returns when the stream may be closed.
  void hold(int stream) {
    internal::Events events;
    const auto opened = Clock::now();
    auto heard = opened;
    while (true) {
      if (wait(internal::kTick, stream)) {
        char data[4096];
        const auto size = recv(stream, data, sizeof data, 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (size <= 0) return;
        heard = Clock::now();
        const auto why = events.feed({data, static_cast<std::size_t>(size)},
                                     [this](const internal::Answer& answer) { take(answer); });
        if (!why.empty()) take(std::nullopt);
        set_problem(why);
      }
      const bool is_late = events.status == 0 ? Clock::now() - opened > internal::kAnswer
                                              : Clock::now() - heard > internal::kSilence;
      const std::lock_guard lock(mutex_);
      if (term_ && term_->has_lapsed_) {  // what comes now is too late
        events.is_broken = true;
        answer_.reset();
      }
      // A refusal holds nothing. Else nobody may close this while work runs.
      if (events.is_refused() || ((is_closing_ || events.is_broken || is_late) && !term_)) {
        answer_.reset();  // in the same moment: no work begins from here on
        return;
      }
    }
  }

  /// So long, or as long as the term holds. Ends a term whose deadline has passed.
  Duration at_most(Duration duration) {
    const std::lock_guard lock(mutex_);
    const Duration left = term_ ? term_->left() : Duration(0);
    return left > Duration(0) ? std::min(duration, left) : duration;
  }

  /// Waits so long at most. True if the stream has something to read.
  bool wait(Duration duration, int stream) {
    pollfd waited[] = {{bell_.get(), POLLIN, 0}, {stream, POLLIN, 0}};
    const auto limit = std::chrono::ceil<std::chrono::milliseconds>(at_most(duration));
    poll(waited, 2, static_cast<int>(limit.count()));
    std::uint64_t rings = 0;
    [[maybe_unused]] const auto size = read(bell_.get(), &rings, sizeof rings);
    run_hooks();
    return waited[1].revents != 0;
  }

  void run_hooks() {
    std::unique_lock lock(mutex_);
    if (!term_ || term_->left() > Duration(0) || term_->hooks_.empty()) return;
    const auto hooks = std::exchange(term_->hooks_, {});
    is_hooking_ = true;
    changed_.notify_all();
    lock.unlock();
    for (const auto& hook : hooks) hook();
    lock.lock();
    is_hooking_ = false;
    changed_.notify_all();
  }

  void ring() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto size = write(bell_.get(), &one, sizeof one);
  }

  void set_problem(const std::string& why) {
    const std::lock_guard lock(mutex_);
    problem_ = why;
  }

  internal::Descriptor connect() {
    for (std::size_t tried = 0; tried < addresses_.size(); ++tried) {
      const auto limit = at_most(internal::kConnect);
      const std::lock_guard lock(addresses_mutex_);
      auto stream = internal::request(addresses_.front(), limit,
                                      "GET " + named("/leader/events?hold=true"), "");
      if (stream.get() >= 0) return stream;
      std::rotate(addresses_.begin(), addresses_.begin() + 1, addresses_.end());
      set_problem("nobody takes a connection");
    }
    return internal::Descriptor();
  }

  std::string named(std::string path) const {
    if (holder_.empty()) return path;
    path += "&name=";
    for (const char letter : holder_) {
      const auto byte = static_cast<unsigned char>(letter);
      const char* digits = "0123456789ABCDEF";
      if (std::isalnum(byte) != 0 || byte == '-' || byte == '.' || byte == '_') {
        path += letter;
      } else {
        path += {'%', digits[byte >> 4U], digits[byte & 15U]};
      }
    }
    return path;
  }

  bool say_drained(const std::string& path, const std::string& term_id) {
    std::map<std::string, std::string> fields = {{"termId", term_id}};
    const bool is_call = path == "/drained";
    if (is_call && !holder_.empty()) fields["name"] = holder_;
    const int status = post(is_call ? path : named(path), fields);
    return status == 200 || status == 202;
  }

  /// The status; 0 without an answer. Nothing is lost then: the clock ends the term.
  int post(const std::string& path, const std::map<std::string, std::string>& fields) {
    std::vector<internal::Address> addresses;
    {
      const std::lock_guard lock(addresses_mutex_);
      addresses = addresses_;
    }
    const auto until = Clock::now() + internal::kAnswer;
    for (const auto& address : addresses) {
      const auto call =
          internal::request(address, internal::kConnect, "POST " + path, internal::object(fields));
      if (call.get() < 0) continue;
      std::string text;
      while (text.size() < 13 && internal::wait_for(call.get(), POLLIN, until - Clock::now())) {
        char piece[13];
        const auto size = recv(call.get(), piece, sizeof piece, 0);
        if (size <= 0) break;
        text.append(piece, static_cast<std::size_t>(size));
      }
      return internal::status_of(text);
    }
    return 0;
  }

  const std::string holder_;
  // Whether the status page says that the term runs. Where there is none nothing says otherwise.
  std::function<bool(const std::string& term_id, std::int64_t token)> shows_ =
      [](const std::string&, std::int64_t) { return true; };
  const internal::Descriptor bell_;  // ends the watcher's wait
  std::mutex addresses_mutex_;
  std::vector<internal::Address> addresses_;  // the one that answered last is first

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool is_leading_ = false, is_closing_ = false, is_stopping_ = false, is_hooking_ = false;
  std::unique_ptr<Term> term_;              // while work runs
  std::optional<internal::Answer> answer_;  // the last of the stream that is open
  std::string done_;  // the term that was given up, never to be worked in again
  std::string problem_;
};

inline Duration Term::left() {
  // The page first: the clock is looked at last.
  const bool is_shown = !is_over_ && client_.shows_(term_id_, token_);
  const auto left = is_over_ ? 0 : deadline_ns_ - internal::boottime_ns();
  if (is_shown && left > 0) return Duration(left);
  has_lapsed_ |= !is_over_ && left <= 0;
  is_over_ = true;  // for ever, whatever comes later
  return Duration(0);
}

inline Duration Term::remaining() {
  const std::lock_guard lock(client_.mutex_);
  return left();
}

inline bool Term::pause(Duration duration) {
  const auto until = Client::Clock::now() + duration;
  std::unique_lock lock(client_.mutex_);
  while (true) {
    const Duration most =
        std::min<Duration>({left(), until - Client::Clock::now(), internal::kTick});
    if (most <= Duration(0)) return left() > Duration(0);
    client_.changed_.wait_for(lock, most);
  }
}

inline void Term::on_loss(std::function<void()> hook) {
  const std::lock_guard lock(client_.mutex_);
  hooks_.push_back(std::move(hook));
  client_.ring();
}

inline void Term::give_up() {
  const std::lock_guard lock(client_.mutex_);
  is_over_ = is_given_up_ = true;
  client_.changed_.notify_all();
  client_.ring();
}

inline bool Term::rejected(const std::string& resource, std::int64_t highest_token) {
  give_up();
  std::map<std::string, std::string> fields = {{"token", std::to_string(token_)}};
  if (!resource.empty()) fields["resource"] = resource;
  if (highest_token > 0) fields["highestToken"] = std::to_string(highest_token);
  return client_.post("/fencing/rejections", fields) == 204;
}

inline bool Term::drained() {
  give_up();
  return client_.say_drained("/drained", term_id_);
}

inline bool Term::ready() {
  const int status = client_.post("/ready-to-lead", {{"termId", term_id_}});
  return status == 200 || status == 202;
}

inline std::map<std::string, std::string> Term::headers(const std::string& scope) const {
  return {
      {"Baton-Fencing-Token", std::to_string(token_)},
      {"Baton-Fencing-Scope", scope.empty() ? scope_ : internal::visible(scope, 512, "a scope")}};
}

inline std::string Term::idempotency_key(const std::string& operation) const {
  return std::to_string(token_) + ":" + internal::visible(operation, 200, "an operation id");
}

}  // namespace baton
