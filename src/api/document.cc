#include "api/document.h"

#include <array>

#include "base/text.h"

namespace baton::api {
namespace {

constexpr std::size_t kLongestReason = 500;

std::int64_t milliseconds(Duration duration) {
  return std::chrono::floor<std::chrono::milliseconds>(duration).count();
}

// A foreign elector's identity has no known form and is the name as a whole; ours is
// "<pod>_<uid>_<random>".
std::string_view pod_of(const election::Leader& leader) {
  std::string_view name = leader.identity;
  if (!leader.fencing_token) return name;
  for (int part = 0; part < 2 && name.rfind('_') != std::string_view::npos; ++part) {
    name = name.substr(0, name.rfind('_'));
  }
  return name;
}

/// Appends `text` as a JSON string.
void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  std::size_t plain = 0;  // where what needs no escape began
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(text.substr(plain, i - plain));
    if (byte < 0x20) {
      out.append("\\u00").append({kHex[byte >> 4U], kHex[byte & 15U]});
    } else {
      out.append({'\\', text[i]});
    }
    plain = i + 1;
  }
  out.append(text.substr(plain)).append("\"");
}

// ,"key":"text" with null for "nothing"; the caller drops the first comma.
void append_text(std::string& out, std::string_view key, std::string_view text) {
  out.append(",\"").append(key).append("\":");
  if (text.empty()) {
    out += "null";
  } else {
    append_quoted(out, text);
  }
}

void append_number(std::string& out, std::string_view key, std::int64_t number) {
  out.append(",\"").append(key).append("\":").append(std::to_string(number));
}

void append_leader(std::string& out, const election::Leader& leader) {
  out += ",\"leader\":";
  if (leader.identity.empty()) {
    out += "null";
    return;
  }
  std::string fields;
  append_text(fields, "pod", pod_of(leader));
  append_text(fields, "identity", leader.identity);
  append_text(fields, "address", leader.address);
  append_text(fields, "fencingToken",
              leader.fencing_token ? std::to_string(*leader.fencing_token) : "");
  append_text(fields, "since", leader.since);
  append_number(fields, "transitions", leader.transitions);
  fields[0] = '{';
  out.append(fields).append("}");
}

void append_traffic(std::string& out, const TrafficState* state) {
  out += ",\"traffic\":";
  if (state == nullptr) {
    out += "null";
    return;
  }
  std::string fields;
  append_text(fields, "leads", to_string(state->leads));
  append_text(fields, "reason", printable(state->reason, kLongestReason));
  fields[0] = '{';
  out.append(fields).append("}");
}

std::string leader_name(const Context& context, const StatusView& view, Instant now) {
  if (view.leads(now)) return context.legacy_name;
  const election::Leader& leader = view.status.leader;
  if (leader.identity.empty() || now >= leader.expires) return "";
  const std::string_view name = pod_of(leader);
  return name == context.legacy_name ? "" : std::string(name);
}

// {"key":"text"}
std::string object_of(std::string_view key, std::string_view text) {
  std::string object("{\"");
  object.append(key).append("\":");
  append_quoted(object, text);
  return object + "}";
}

}  // namespace

StatusDocument::StatusDocument(const Context& context)
    : run_id_(context.run_id), traffic_(context.traffic) {
  append_text(names_, "election", context.election);
  append_text(names_, "namespace", context.namespace_name);
  append_text(names_, "pod", context.pod);
  append_text(names_, "identity", context.identity);
  const election::Timings& timings = context.timings;
  append_number(lease_, "durationMs", milliseconds(timings.lease_duration));
  append_number(lease_, "renewDeadlineMs", milliseconds(timings.renew_deadline));
  append_number(lease_, "renewPeriodMs", milliseconds(timings.renew_period));
  append_number(lease_, "requestTimeoutMs", milliseconds(timings.request_timeout));
  append_number(lease_, "retryMinMs", milliseconds(timings.retry_min));
  append_number(lease_, "retryMaxMs", milliseconds(timings.retry_max));
  lease_[0] = '{';
}

std::string StatusDocument::text(const StatusView& view, Instant now) {
  const TrafficBoard::View shown = traffic();
  const bool is_written =
      view.change == written_.change && view.status.deadline == written_.deadline &&
      view.has_lapsed(now) == written_.has_lapsed && shown.change == written_.traffic_change;
  if (!is_written) write(view, now, shown);
  const std::string validity = std::to_string(milliseconds(view.validity(now)));
  std::string out;
  out.reserve(written_.before.size() + validity.size() + written_.after.size());
  return out.append(written_.before).append(validity).append(written_.after);
}

void StatusDocument::write(const StatusView& view, Instant now, const TrafficBoard::View& traffic) {
  const election::Status& status = view.status;
  const bool leads = view.leads(now);
  written_ = {view.change, traffic.change, status.deadline, view.has_lapsed(now), {}, {}};
  std::string& before = written_.before;
  before.append("{\"isLeader\":").append(leads ? "true" : "false");
  append_text(before, "state", election::to_string(view.state(now)));
  append_text(
      before, "reason",
      view.has_lapsed(now) ? "the deadline passed before a renewal counted" : status.reason);
  before += names_;
  append_text(before, "fencingToken", leads ? std::to_string(status.token) : "");
  append_text(before, "termId", status.term_id);
  before.append(",\"validForMs\":");
  std::string& after = written_.after;
  append_text(after, "deadlineBoottimeNs",
              leads ? std::to_string(status.deadline.time_since_epoch().count()) : "");
  append_leader(after, status.leader);
  append_traffic(after, traffic_ ? &traffic.state : nullptr);
  append_text(after, "revision", revision(view, now, traffic));
  after.append(",\"lease\":").append(lease_).append("}}\n");
}

std::string StatusDocument::revision(const StatusView& view, Instant now,
                                     const TrafficBoard::View& traffic) const {
  return run_id_ + "-" + std::to_string(view.change) +
         (traffic.change == 0 ? "" : "." + std::to_string(traffic.change)) +
         (view.has_lapsed(now) ? "-lapsed" : "");
}

http::Response StatusDocument::answer(int status, const StatusView& view, Instant now) {
  return status_answer(status, view, now, "application/json", text(view, now));
}

http::Response uncached(int status, std::string content_type, std::string body) {
  http::Headers headers;
  headers.reserve(4);  // status_answer() adds two
  headers.emplace_back("Cache-Control", "no-store");
  if (!content_type.empty()) headers.emplace_back("Content-Type", std::move(content_type));
  return {status, std::move(headers), std::move(body)};
}

http::Response status_answer(int status, const StatusView& view, Instant now,
                             std::string content_type, std::string body) {
  http::Response answer = uncached(status, std::move(content_type), std::move(body));
  answer.headers.emplace_back("Baton-Valid-For-Ms",
                              std::to_string(milliseconds(view.validity(now))));
  if (view.leads(now)) {
    answer.headers.emplace_back("Baton-Fencing-Token", std::to_string(view.status.token));
  }
  return answer;
}

http::Response error_answer(int status, std::string_view what) {
  return uncached(status, "application/json", object_of("error", what) + "\n");
}

http::Response name_answer(const Context& context) {
  const Instant now = context.now();
  const StatusView view = context.board->read_for_answer(now);
  return uncached(200, "application/json", object_of("name", leader_name(context, view, now)));
}

}  // namespace baton::api
