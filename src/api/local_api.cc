#include "api/local_api.h"

#include <functional>
#include <utility>

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

void refuse(const Call& call, int status, const std::string& what) {
  call.exchange->reply(error_answer(status, what));
}

}  // namespace

LocalApi::LocalApi(Context context)
    : context_(std::move(context)),
      document_(context_),
      waiters_(context_, document_),
      handler_(router(routes(), Reach::local)) {}

void LocalApi::attach(http::Server& server) {
  server_ = &server;
  waiters_.attach(server);
}

void LocalApi::changed() {
  if (is_look_posted_.exchange(true)) return;
  server_->post([this] {
    is_look_posted_ = false;  // before looking: what is published from now on posts again
    post_proof();
    waiters_.look();
  });
}

void LocalApi::leader(const Call& call) {
  const Duration needed = call.duration("minRemaining");
  const auto answer = [this, needed] {
    const Instant now = context_.now();
    const StatusView view = context_.board->read_for_answer(now);
    const bool yes = view.leads(now) && view.validity(now) >= needed;
    return document_.answer(yes ? 200 : 503, view, now);
  };
  const Duration wait = call.duration("wait");
  if (wait == Duration(0)) return call.exchange->reply(answer());
  if (call.find("after") == nullptr) {
    return refuse(call, 400, "wait needs after=REVISION, taken from the document you have");
  }
  waiters_.hold(
      call.exchange, wait,
      [this, after = call.text("after")](const StatusView& view, Instant now) {
        return document_.revision(view, now) != after;
      },
      [answer](Waiters::End end) {
        Response now_shown = answer();
        if (end == Waiters::End::no_place) now_shown.headers.emplace_back("Retry-After", "1");
        return now_shown;
      });
}

void LocalApi::events(const Call& call) {
  const std::string name = call.text("name");
  const bool holds = call.flag("hold");
  if (holds && refuse_name(call)) return;
  if (refuse_one_too_many(call)) return;
  if (holds) context_.ledger->opened(name);
  waiters_.stream(call.exchange, Waiters::Audience::application, [this, holds, name](bool by_peer) {
    if (!holds) return;
    context_.ledger->closed(name, by_peer, context_.board->answers());
    post_proof();
  });
}

void LocalApi::ui_events(const Call& call) {
  if (refuse_one_too_many(call)) return;
  waiters_.stream(call.exchange, Waiters::Audience::people, [](bool) {});
}

void LocalApi::token(const Call& call) {
  const Instant now = context_.now();
  const StatusView view = context_.board->read_for_answer(now);
  const bool leads = view.leads(now);
  call.exchange->reply(status_answer(leads ? 200 : 503, view, now, "text/plain",
                                     leads ? std::to_string(view.status.token) : ""));
}

void LocalApi::resign(const Call& call) {
  const StatusView view = context_.board->read();
  const std::string& term_id = view.status.term_id;
  if (refuse_other_term(call, view)) return;
  if (call.flag("announce")) {
    if (call.flag("drained") || call.find("wait") != nullptr) {
      return refuse(call, 400,
                    "announce releases nothing and answers at once; leave out drained and wait");
    }
    context_.post(election::Announce{});
    return waiters_.hold(
        call.exchange, kTurn,
        [term_id](const StatusView& shown, Instant) { return !is_led(shown, term_id); },
        [this](Waiters::End) { return document_answer(202); });
  }
  if (call.flag("drained") && refuse_name(call)) return;
  // The proof first: with it the release goes out at once; a drain by itself is written first.
  if (call.flag("drained")) {
    context_.ledger->said_drained(view, term_id, call.text("name"));
    post_proof();
  }
  context_.post(election::Resign{});
  answer_when_released(call, term_id);
}

void LocalApi::drained(const Call& call) {
  const StatusView view = context_.board->read();
  const std::string term_id = call.text("termId");
  if (refuse_name(call)) return;
  if (!context_.ledger->said_drained(view, term_id, call.text("name"))) {
    return refuse(call, 409, other_term(view));
  }
  post_proof();
  answer_when_released(call, term_id);
}

void LocalApi::ready_to_lead(const Call& call) {
  const StatusView view = context_.board->read();
  const std::string& term_id = view.status.term_id;
  if (refuse_other_term(call, view)) return;
  if (!is_led(view, term_id)) return refuse(call, 409, "this candidate does not lead");
  context_.post(election::ReadyToLead{term_id});
  waiters_.hold(
      call.exchange, kTurn,
      [term_id](const StatusView& shown, Instant) {
        return !is_led(shown, term_id) || shown.status.state != State::warming;
      },
      [this](Waiters::End end) { return document_answer(end == Waiters::End::met ? 200 : 202); });
}

void LocalApi::advance_token(const Call& call) {
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
  waiters_.hold(
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

void LocalApi::report_rejection(const Call& call) {
  context_.report_rejection({call.text("token"), call.text("highestToken"), call.text("resource")});
  call.exchange->reply(uncached(204, "", ""));
}

Response LocalApi::document_answer(int status) {
  const Instant now = context_.now();
  return document_.answer(status, context_.board->read_for_answer(now), now);
}

/// A term id that is given must be that of the present term: the caller may mean an earlier one.
bool LocalApi::refuse_other_term(const Call& call, const StatusView& view) const {
  const std::string* given = call.find("termId");
  const bool is_other = given != nullptr && !speaks_of(view, *given);
  if (is_other) refuse(call, 409, other_term(view));
  return is_other;
}

bool LocalApi::refuse_name(const Call& call) const {
  const std::string complaint = context_.ledger->check_name(call.text("name"));
  if (!complaint.empty()) refuse(call, 400, complaint);
  return !complaint.empty();
}

/// A stream takes a place among those who wait.
bool LocalApi::refuse_one_too_many(const Call& call) {
  if (server_->try_hold(*call.exchange)) return false;
  Response answer = error_answer(503, "too many requests wait already; call again later");
  answer.headers.emplace_back("Retry-After", "1");
  call.exchange->reply(std::move(answer));
  return true;
}

/// 200 once the term is neither led nor drained. Without `wait` the answer comes as soon as belief
/// has ended, 202 if the release is still to come.
void LocalApi::answer_when_released(const Call& call, const std::string& term_id) {
  const Duration wait = call.duration("wait");
  const bool waits = wait > Duration(0);
  waiters_.hold(
      call.exchange, waits ? wait : kTurn,
      [term_id, waits](const StatusView& view, Instant) {
        return waits ? !is_led_or_drained(view, term_id) : !is_led(view, term_id);
      },
      [this, term_id](Waiters::End) {
        return document_answer(is_led_or_drained(context_.board->read(), term_id) ? 202 : 200);
      });
}

void LocalApi::post_proof() { context_.ledger->post_proof(*context_.board, context_.post); }

std::vector<Route> LocalApi::routes() {
  const Field term{"termId", Kind::text, "the term meant; 409 if it is not the present one"};
  const Field name{"name", Kind::text, "which of the configured holders speaks"};
  const Field wait{"wait", Kind::duration, "how long the answer may be held back", kLongestWait};
  Field needed_term = term;
  needed_term.is_required = true;
  const Answer gone{200, "the term is over", true};
  const Answer drains{202, "believed no longer, but not yet released", true};
  const Answer other{409, "another term is led, or none; nothing done"};

  std::vector<Route> all;
  const auto add = [&](std::string_view methods, std::string_view path, std::string_view summary,
                       void (LocalApi::*handle)(const Call&), std::vector<Answer> answers,
                       std::vector<Field> query = {}, std::vector<Field> body = {}) {
    all.push_back({methods, path, summary, std::bind_front(handle, this), std::move(answers),
                   std::move(query), std::move(body)});
  };
  add("GET, HEAD", "/leader", "Does this Pod lead, until when, and with which fencing token?",
      &LocalApi::leader,
      {{200, "this Pod leads", true},
       {503, "it does not, or with less validity than asked for", true}},
      {{"minRemaining", Kind::duration, "200 only with at least so much validity left",
        context_.timings.renew_deadline},
       wait,
       {"after", Kind::text, "with wait: answer when the revision differs from this one"}});
  add("GET", "/leader/events", "The status document as server-sent events.", &LocalApi::events,
      {{200, "one event at once, one per change and per extended deadline"},
       {503, "too many requests wait already"}},
      {{"hold", Kind::flag, "promise that the work ends before this connection does"}, name});
  add("GET, HEAD", "/token", "The fencing token as plain text.", &LocalApi::token,
      {{200, "the token"}, {503, "this Pod does not lead; no body"}});
  add("POST", "/resign", "Stop believing now, drain, release.", &LocalApi::resign,
      {gone, drains, other},
      {wait,
       {"drained", Kind::flag, "the work has already ended: release now"},
       {"announce", Kind::flag, "only answer no, for a limited time; releases nothing"},
       name},
      {term});
  add("POST", "/drained", "The application's work of this term has stopped: release now.",
      &LocalApi::drained, {gone, drains, other}, {wait}, {needed_term, name});
  add("POST", "/ready-to-lead", "The new leader's application has recovered its state.",
      &LocalApi::ready_to_lead, {{200, "taken", true}, {202, "not yet taken", true}, other}, {},
      {term});
  add("POST", "/fencing/rejections", "A resource refused a write for its stale token.",
      &LocalApi::report_rejection, {{204, "counted"}}, {},
      {{"token", Kind::token, "the token refused", {}, true},
       {"highestToken", Kind::token, "the highest token that the resource has seen"},
       {"resource", Kind::text, "which resource"}});
  add("POST", "/token/advance", "End the term and lead a new one with a token that is high enough.",
      &LocalApi::advance_token,
      {{200, "led", true},
       {409, "this candidate does not lead"},
       {504, "not within twice the lease duration"}},
      {}, {{"atLeast", Kind::token, "the lowest token wanted", {}, true}});
  add("GET, HEAD", "/", "The leader's Pod, as the retired leader-elector answered.",
      &LocalApi::name, {{200, "{\"name\":\"POD\"}, an empty name if there is none"}});
  add("GET", "/ui/events", "What /ui shows: the status document, for people alone.",
      &LocalApi::ui_events,
      {{200, "{\"shown\":DOCUMENT} as server-sent events, two a second; no answer to act on"},
       {503, "too many requests wait already"}});
  add("GET, HEAD", "/ui", "The status in a browser.", &LocalApi::ui, {{200, "HTML"}});
  all.back().is_static = true;
  add("GET, HEAD", "/openapi.json", "This description.", nullptr, {{200, "OpenAPI 3"}});
  all.back().is_static = true;
  // Made when it is asked for first: it costs more than all else that a listener does at its start.
  all.back().handle = [this, text = std::string()](const Call& call) mutable {
    if (text.empty()) text = openapi(routes());
    call.exchange->reply({200, {{"Content-Type", "application/json"}}, text});
  };
  return all;
}

}  // namespace baton::api
