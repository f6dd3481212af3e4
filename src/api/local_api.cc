#include <atomic>

#include "api/api.h"
#include "api/document.h"
#include "api/router.h"
#include "api/waiters.h"

namespace baton::api {
namespace {

using election::State;
using http::Response;

/// The longest `wait`: shorter than what keeps a connection through a stateful firewall.
constexpr Duration kLongestWait = std::chrono::minutes(5);
/// How long a control call waits for the election's thread, which answers in microseconds unless
/// the machine is stuck.
constexpr Duration kTurn = std::chrono::seconds(2);
/// A token further ahead than this is a slip of the pen: it would burn the numbers in between.
constexpr election::Token kFurthestAdvance = 1'000'000'000'000;

bool speaks_of(const StatusView& view, const std::string& term_id) {
  return !term_id.empty() && view.status.term_id == term_id;
}

bool is_led(const StatusView& view, const std::string& term_id) {
  return speaks_of(view, term_id) && view.status.believes;
}

bool is_led_or_drained(const StatusView& view, const std::string& term_id) {
  return is_led(view, term_id) ||
         (speaks_of(view, term_id) && view.status.state == State::draining);
}

std::string other_term(const StatusView& view) {
  const std::string& present = view.status.term_id;
  return "termId: no such term is led or drained here (present: " +
         (present.empty() ? "none" : present) + "); nothing was done; read termId from /leader";
}

}  // namespace

class LocalApi::Impl : public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(Context given)
      : context_(std::move(given)),
        document_(std::make_shared<StatusDocument>(context_)),
        waiters_(std::make_shared<Waiters>(context_.board, context_.now, document_)),
        router_(routes(), Reach::local) {}

  void dispatch(const std::shared_ptr<http::Exchange>& exchange) { router_.dispatch(exchange); }

  void attach(http::Server& server) {
    server_ = &server;
    waiters_->attach(server);
  }

  void changed() {
    if (server_ == nullptr || is_look_posted_.exchange(true)) return;
    server_->post([self = weak_from_this()] {
      const auto impl = self.lock();
      if (!impl) return;
      impl->is_look_posted_ = false;  // before looking: what is published from now on posts again
      impl->post_proof();
      impl->waiters_->look();
    });
  }

 private:
  std::vector<Route> routes();

  // Reading.
  void leader(const Call& call);
  void events(const Call& call);
  void token(const Call& call) const;
  // Control.
  void resign(const Call& call);
  void drained(const Call& call);
  void ready_to_lead(const Call& call);
  void advance_token(const Call& call);
  void report_rejection(const Call& call) const;

  Response document_answer(int status) const {
    const Instant now = context_.now();
    return document_->answer(status, context_.board->read_for_answer(now), now);
  }
  void refuse(const Call& call, int status, const std::string& what) const {
    call.exchange->reply(error_answer(status, what));
  }
  bool refuse_other_term(const Call& call, const StatusView& view) const;
  bool refuse_name(const Call& call) const;
  void answer_when_released(const Call& call, const std::string& term_id);
  void post_proof();

  const Context context_;
  const std::shared_ptr<const StatusDocument> document_;
  const std::shared_ptr<Waiters> waiters_;
  const Router router_;
  http::Server* server_ = nullptr;
  std::atomic<bool> is_look_posted_{false};
};

void LocalApi::Impl::leader(const Call& call) {
  const Duration needed = call.duration("minRemaining");
  const auto answer = [this, needed] {
    const Instant now = context_.now();
    const StatusView view = context_.board->read_for_answer(now);
    const bool yes = view.leads(now) && validity(view, now) >= needed;
    return document_->answer(yes ? 200 : 503, view, now);
  };
  const Duration wait = call.duration("wait");
  if (wait == Duration(0)) return call.exchange->reply(answer());
  if (call.find("after") == nullptr) {
    return refuse(call, 400, "wait needs after=REVISION, taken from the document you have");
  }
  waiters_->hold(
      call.exchange, wait,
      [this, after = call.text("after")](const StatusView& view, Instant now) {
        return document_->revision(view, now) != after;
      },
      [answer](Waiters::End end) {
        Response now_shown = answer();
        if (end == Waiters::End::no_place) now_shown.headers.emplace_back("Retry-After", "1");
        return now_shown;
      });
}

void LocalApi::Impl::events(const Call& call) {
  const std::string name = call.text("name");
  if (call.flag("hold") && refuse_name(call)) return;
  if (!server_->try_hold(*call.exchange)) {
    Response answer = error_answer(503, "too many requests wait already; call again later");
    answer.headers.emplace_back("Retry-After", "1");
    return call.exchange->reply(std::move(answer));
  }
  if (!call.flag("hold")) return waiters_->stream(call.exchange, [](bool) {});
  context_.ledger->opened(name);
  waiters_->stream(call.exchange, [self = weak_from_this(), name](bool by_peer) {
    const auto impl = self.lock();
    if (!impl) return;
    impl->context_.ledger->closed(name, by_peer, impl->context_.board->answers());
    impl->post_proof();
  });
}

void LocalApi::Impl::token(const Call& call) const {
  const Instant now = context_.now();
  const StatusView view = context_.board->read_for_answer(now);
  const bool leads = view.leads(now);
  call.exchange->reply({leads ? 200 : 503, answer_headers(view, now, "text/plain"),
                        leads ? std::to_string(view.status.token) : ""});
}

void LocalApi::Impl::resign(const Call& call) {
  const StatusView view = context_.board->read();
  const std::string& term_id = view.status.term_id;
  if (refuse_other_term(call, view)) return;
  if (call.flag("announce")) {
    if (call.flag("drained") || call.find("wait") != nullptr) {
      return refuse(call, 400,
                    "announce releases nothing and answers at once; leave out drained and wait");
    }
    context_.post(election::Announce{});
    return waiters_->hold(
        call.exchange, kTurn,
        [term_id = term_id](const StatusView& view, Instant) { return !is_led(view, term_id); },
        [this](Waiters::End) { return document_answer(202); });
  }
  if (call.flag("drained") && refuse_name(call)) return;
  context_.post(election::Resign{});
  if (call.flag("drained")) {
    context_.ledger->said_drained(view, term_id, call.text("name"));
    post_proof();
  }
  answer_when_released(call, term_id);
}

void LocalApi::Impl::drained(const Call& call) {
  const StatusView view = context_.board->read();
  const std::string term_id = call.text("termId");
  if (refuse_name(call)) return;
  if (!context_.ledger->said_drained(view, term_id, call.text("name"))) {
    return refuse(call, 409, other_term(view));
  }
  post_proof();
  answer_when_released(call, term_id);
}

void LocalApi::Impl::ready_to_lead(const Call& call) {
  const StatusView view = context_.board->read();
  const std::string term_id = view.status.term_id;
  if (refuse_other_term(call, view)) return;
  if (!is_led(view, term_id)) return refuse(call, 409, "this candidate does not lead");
  context_.post(election::ReadyToLead{term_id});
  waiters_->hold(
      call.exchange, kTurn,
      [term_id](const StatusView& now_shown, Instant) {
        return !is_led(now_shown, term_id) || now_shown.status.state != State::warming;
      },
      [this](Waiters::End end) { return document_answer(end == Waiters::End::met ? 200 : 202); });
}

void LocalApi::Impl::advance_token(const Call& call) {
  const StatusView view = context_.board->read();
  const election::Token at_least = call.token("atLeast");
  if (!view.leads(context_.now())) {
    return refuse(call, 409, "this candidate does not lead; only the leader's token is advanced");
  }
  if (at_least - view.status.token > kFurthestAdvance) {
    return refuse(call, 400,
                  "atLeast: " + std::to_string(at_least) + " is more than " +
                      std::to_string(kFurthestAdvance) + " ahead of the present token " +
                      std::to_string(view.status.token) + "; check the number");
  }
  if (at_least > view.status.token) context_.post(election::AdvanceToken{at_least});
  // The next term waits for the validity handed out, at most D; the same again for its requests.
  waiters_->hold(
      call.exchange, 2 * context_.timings.lease_duration,
      [at_least](const StatusView& shown, Instant now) {
        return shown.leads(now) && shown.status.token >= at_least;
      },
      [this, at_least](Waiters::End end) {
        if (end == Waiters::End::met) return document_answer(200);
        return error_answer(504, "no term of this candidate with a token of " +
                                     std::to_string(at_least) +
                                     " or more began in time; look at /leader and call again");
      });
}

void LocalApi::Impl::report_rejection(const Call& call) const {
  context_.report_rejection({call.text("token"), call.text("highestToken"), call.text("resource")});
  call.exchange->reply({204, {{"Cache-Control", "no-store"}}, ""});
}

/// A term id that is given must be that of the present term: the caller may mean an earlier one.
bool LocalApi::Impl::refuse_other_term(const Call& call, const StatusView& view) const {
  const std::string* given = call.find("termId");
  const bool is_other = given != nullptr && !speaks_of(view, *given);
  if (is_other) refuse(call, 409, other_term(view));
  return is_other;
}

bool LocalApi::Impl::refuse_name(const Call& call) const {
  const std::string complaint = context_.ledger->check_name(call.text("name"));
  if (!complaint.empty()) refuse(call, 400, complaint);
  return !complaint.empty();
}

/// 200 once the term is neither led nor drained. Without `wait` the answer comes as soon as belief
/// has ended, 202 if the release is still to come.
void LocalApi::Impl::answer_when_released(const Call& call, const std::string& term_id) {
  const Duration wait = call.duration("wait");
  const bool waits = wait > Duration(0);
  waiters_->hold(
      call.exchange, waits ? wait : kTurn,
      [term_id, waits](const StatusView& view, Instant) {
        return waits ? !is_led_or_drained(view, term_id) : !is_led(view, term_id);
      },
      [this, term_id](Waiters::End) {
        return document_answer(is_led_or_drained(context_.board->read(), term_id) ? 202 : 200);
      });
}

void LocalApi::Impl::post_proof() {
  const StatusView view = context_.board->read();
  if (auto ended = context_.ledger->proof(view, context_.board->answers())) {
    context_.post(std::move(*ended));
  }
}

std::vector<Route> LocalApi::Impl::routes() {
  const auto bind = [this](auto method) {
    return [this, method](const Call& call) { (this->*method)(call); };
  };
  const Field term{"termId", Kind::text, "the term meant; 409 if it is not the present one"};
  const Field name{"name", Kind::text, "which of the configured holders speaks"};
  const Field wait{"wait", Kind::duration, "how long the answer may be held back", kLongestWait};
  const std::pair<int, std::string_view> gone{200, "the term is over; the status document"};
  const std::pair<int, std::string_view> drains{
      202, "believed no longer, but not yet released; the status document"};
  const std::pair<int, std::string_view> other{409, "another term is led, or none; nothing done"};

  std::vector<Route> all;
  const auto add = [&all](Route route) { all.push_back(std::move(route)); };
  add({"GET",
       "/leader",
       "Does this Pod lead, until when, and with which fencing token?",
       {{"minRemaining", Kind::duration, "200 only with at least so much validity left",
         context_.timings.renew_deadline},
        wait,
        {"after", Kind::text, "with wait: answer when the revision differs from this one"}},
       {},
       {{200, "this Pod leads; the status document"},
        {503, "it does not, or with less validity than asked for; the status document"}},
       bind(&Impl::leader)});
  add({"STREAM",
       "/leader/events",
       "The status document as server-sent events.",
       {{"hold", Kind::flag, "promise that the work ends before this connection does"}, name},
       {},
       {{200, "one event at once, one per change and per extended deadline"},
        {503, "too many requests wait already"}},
       bind(&Impl::events)});
  add({"GET",
       "/token",
       "The fencing token as plain text.",
       {},
       {},
       {{200, "the token"}, {503, "this Pod does not lead; no body"}},
       bind(&Impl::token)});
  add({"POST",
       "/resign",
       "Stop believing now, drain, release.",
       {wait,
        {"drained", Kind::flag, "the work has already ended: release now"},
        {"announce", Kind::flag, "only answer no, for a limited time; releases nothing"},
        name},
       {term},
       {gone, drains, other},
       bind(&Impl::resign)});
  Field needed_term = term;
  needed_term.is_required = true;
  add({"POST",
       "/drained",
       "The application's work of this term has stopped: release now.",
       {wait},
       {needed_term, name},
       {gone, drains, other},
       bind(&Impl::drained)});
  add({"POST",
       "/ready-to-lead",
       "The new leader's application has recovered its state.",
       {},
       {term},
       {{200, "taken; the status document"}, {202, "not yet taken"}, other},
       bind(&Impl::ready_to_lead)});
  add({"POST",
       "/fencing/rejections",
       "A resource refused a write for its stale token.",
       {},
       {{"token", Kind::token, "the token refused", {}, true},
        {"highestToken", Kind::token, "the highest token that the resource has seen"},
        {"resource", Kind::text, "which resource"}},
       {{204, "counted"}},
       bind(&Impl::report_rejection)});
  add({"POST",
       "/token/advance",
       "End the term and lead a new one with a token that is high enough.",
       {},
       {{"atLeast", Kind::token, "the lowest token wanted", {}, true}},
       {{200, "led; the status document"},
        {409, "this candidate does not lead"},
        {504, "not within twice the lease duration"}},
       bind(&Impl::advance_token)});
  add({"GET",
       "/",
       "The leader's Pod, as the retired leader-elector answered.",
       {},
       {},
       {{200, "{\"name\":\"POD\"}, an empty name if there is none"}},
       [this](const Call& call) { call.exchange->reply(name_answer(context_)); }});
  add({"GET", "/openapi.json", "This description.", {}, {}, {{200, "OpenAPI 3"}}, nullptr});
  all.back().handle = [text = openapi(all)](const Call& call) {
    call.exchange->reply({200, {{"Content-Type", "application/json"}}, text});
  };
  return all;
}

LocalApi::LocalApi(Context context) : impl_(std::make_shared<Impl>(std::move(context))) {}
LocalApi::~LocalApi() = default;

http::Handler LocalApi::handler() {
  return
      [impl = impl_](const std::shared_ptr<http::Exchange>& exchange) { impl->dispatch(exchange); };
}

void LocalApi::attach(http::Server& server) { impl_->attach(server); }
void LocalApi::changed() { impl_->changed(); }

}  // namespace baton::api
