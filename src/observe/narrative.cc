#include "observe/narrative.h"

#include <utility>
#include <variant>

#include "election/record.h"

namespace baton::observe {
namespace {

using namespace election;  // NOLINT(google-build-using-namespace): every event and action

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

std::string annotated(const LeaseWrite& write, const char* key) {
  const auto found = write.annotations.find(key);
  return found == write.annotations.end() ? "" : found->second;
}

std::string describe(const Lease& lease) {
  std::string text = lease.version ? "version " + std::to_string(*lease.version) : "no version";
  if (lease.holder.empty()) {
    text += is_released(lease) ? ", released" : ", unheld";
  } else {
    text += ", held by " + lease.holder;
  }
  const auto add = [&](const char* key, const std::string& words) {
    if (const std::string& value = lease.annotated(key); !value.empty()) text += words + value;
  };
  add(annotation::kFencingToken, ", token ");
  add(annotation::kTerm, ", term ");
  if (!lease.annotated(annotation::kDraining).empty()) text += ", draining";
  if (lease.being_deleted) text += ", being deleted";
  return text;
}

std::string describe(const std::optional<Lease>& lease) {
  return lease ? describe(*lease) : "no Lease";
}

std::string describe(const Failure& failure) {
  return std::string(to_string(failure.kind)) + ": " + failure.what;
}

std::string describe(Proof proof) {
  switch (proof) {
    case Proof::drained: return "the application said so";
    case Proof::connections_closed: return "every holding connection is closed";
    case Proof::process_exited: return "its process has exited";
    case Proof::native_termination: return "SIGTERM came after the main containers' end";
  }
  return "";
}

std::string describe(const Watched& event) {
  const std::string as_of = " as of " + std::to_string(event.revision);
  switch (event.kind) {
    case WatchEventKind::changed: return "watch: " + describe(event.lease) + as_of;
    case WatchEventKind::deleted: return "watch: the Lease is deleted" + as_of;
    case WatchEventKind::bookmark: return "watch: nothing new" + as_of;
  }
  return "";
}

/// For decisions that no notice explains.
const char* rules_of(WriteKind kind) {
  switch (kind) {
    case WriteKind::create: return "R5";
    case WriteKind::acquire: return "R1, R7, R8";
    case WriteKind::renew: return "R9, R15";
    case WriteKind::release: return "R12";
  }
  return "";
}

const char* rules_of(NoticeKind kind) {
  switch (kind) {
    case NoticeKind::gained:
    case NoticeKind::extended: return "R2";
    case NoticeKind::released: return "R12";
    case NoticeKind::write_unsettled: return "R10";
    default: return "";
  }
}

}  // namespace

std::string describe(const Event& event) {
  return std::visit(
      Overload{
          [](const Tick&) -> std::string { return "time passes"; },
          [](const Listed& listed) {
            return "LIST shows " + describe(listed.lease) + " as of " +
                   std::to_string(listed.revision);
          },
          [](const ListFailed& failed) { return "LIST failed: " + describe(failed.failure); },
          [](const Written& written) { return "PUT stored: " + describe(written.lease); },
          [](const WriteFailed& failed) { return "PUT failed: " + describe(failed.failure); },
          [](const Watched& watched) { return describe(watched); },
          [](const WatchEnded& ended) { return "watch ended: " + describe(ended.failure); },
          [](const Resign&) -> std::string { return "asked to resign"; },
          [](const Announce&) -> std::string { return "the Pod's end is announced"; },
          [](const WorkEnded& ended) {
            const std::string term = ended.term_id.empty() ? "" : " of term " + ended.term_id;
            return "the work" + term + " has ended: " + describe(ended.proof);
          },
          [](const AdvanceToken& advance) {
            return "asked for a token of at least " + std::to_string(advance.at_least);
          },
          [](const ReadyToLead&) -> std::string { return "the application is ready to lead"; },
          [](const Terminate&) -> std::string { return "SIGTERM"; },
          [](const OnlyContainerReplaced&) -> std::string {
            return "only this container is replaced";
          },
          [](const ApplicationHealth& health) {
            return health.healthy ? "the application is healthy"
                                  : "the application is unhealthy: " + health.reason;
          },
      },
      event);
}

std::string describe(const LeaseWrite& write, const std::string& term) {
  std::string text = std::string("PUT ") + to_string(write.kind);
  if (write.base.version) text += " over " + std::to_string(*write.base.version);
  if (!term.empty()) text += " " + term;
  text += " token=" + annotated(write, annotation::kFencingToken);
  if (!annotated(write, annotation::kReleased).empty()) text += " with mark";
  if (!annotated(write, annotation::kDraining).empty()) text += " draining";
  return text;
}

std::string Narrator::term(const std::string& id) const {
  return name_of_term_ && !id.empty() ? name_of_term_(id) : id;
}

std::string Narrator::rule(const char* rules) const {
  return name_of_term_ || *rules == '\0' ? "" : std::string(" [") + rules + "]";
}

std::vector<std::string> Narrator::tell(const Event& event, const Step& step,
                                        const Status& status) {
  if (std::holds_alternative<Listed>(event)) must_read_ = false;
  std::vector<std::string> lines;
  for (const Action& action : step.actions) {
    std::string text = line(action, status);
    if (!text.empty()) lines.push_back(std::move(text));
    if (const auto* notice = std::get_if<Notice>(&action)) {
      must_read_ = must_read_ || notice->kind == NoticeKind::write_unsettled ||
                   notice->kind == NoticeKind::history_went_back;
    }
  }
  std::string text = std::string("is ") + to_string(status.state);
  if (status.believes) text += ", token " + std::to_string(status.token);
  if (!status.reason.empty()) text += " (" + status.reason + ")";
  if (told_status_ != text) lines.push_back(text);
  told_status_ = std::move(text);
  return lines;
}

std::string Narrator::line(const Action& action, const Status& status) const {
  return std::visit(
      Overload{
          [&](const SendList&) {
            // In the order in which the core looks for a reason to read.
            return "LIST" + rule(must_read_ ? "R10" : status.watch_live ? "R7" : "R7, R16");
          },
          [&](const SendWrite& put) {
            return describe(put.write, term(annotated(put.write, annotation::kTerm))) +
                   rule(rules_of(put.write.kind));
          },
          [&](const StartWatch& watch) {
            return "WATCH from " + std::to_string(watch.from) + rule("R16");
          },
          [](const StopWatch&) -> std::string { return "watch dropped"; },
          [](const DialAhead&) -> std::string { return "dials ahead"; },
          [](const Exit&) -> std::string { return "EXIT"; },
          [&](const Notice& notice) { return line(notice); },
      },
      action);
}

std::string Narrator::line(const Notice& notice) const {
  if (notice.kind == NoticeKind::observed) return "";  // the event says it
  if (notice.kind == NoticeKind::attempt && name_of_term_) return "";
  std::string text = to_string(notice.kind);
  if (!notice.term_id.empty()) text += " " + term(notice.term_id);
  if (!notice.reason.empty()) text += " (" + notice.reason + ")";
  return text + rule(rules_of(notice.kind));
}

}  // namespace baton::observe
