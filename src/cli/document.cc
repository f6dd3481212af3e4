#include "cli/document.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace baton::cli {
namespace {

using nlohmann::json;

/// A member as text: strings as they are, numbers in decimal, anything else "".
std::string text(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  return found->is_number_integer() ? found->dump() : "";
}

std::int64_t integer(const json& object, const char* name) {
  return parse_integer(text(object, name), 0, INT64_MAX).value_or(0);
}

}  // namespace

bool Document::leads(Instant now) const {
  return is_leader && !term_id.empty() && !fencing_token.empty() && now < deadline;
}

Result<Document> parse_document(std::string_view text_of_document) {
  const json object = json::parse(text_of_document, nullptr, false);
  if (!object.is_object() || !object.contains("isLeader") || !object["isLeader"].is_boolean()) {
    return Error{"not a status document: \"" + printable(text_of_document, 60) +
                 "\"; is something else listening there?"};
  }
  Document document;
  document.is_leader = object["isLeader"].get<bool>();
  document.state = text(object, "state");
  document.reason = text(object, "reason");
  document.election = text(object, "election");
  document.namespace_name = text(object, "namespace");
  document.pod = text(object, "pod");
  document.identity = text(object, "identity");
  document.fencing_token = text(object, "fencingToken");
  document.term_id = text(object, "termId");
  document.revision = text(object, "revision");
  if (const std::int64_t ns = integer(object, "deadlineBoottimeNs"); ns > 0) {
    document.deadline = Instant(Duration(ns));
  }
  if (const auto lease = object.find("lease"); lease != object.end() && lease->is_object()) {
    document.validity = std::chrono::milliseconds(
        std::min<std::int64_t>(integer(*lease, "renewDeadlineMs"), 3'600'000));
  }
  if (const auto leader = object.find("leader"); leader != object.end() && leader->is_object()) {
    document.leader_pod = text(*leader, "pod");
    document.leader_identity = text(*leader, "identity");
    document.leader_address = text(*leader, "address");
    document.leader_token = text(*leader, "fencingToken");
    document.leader_since = text(*leader, "since");
    document.leader_transitions = text(*leader, "transitions");
  }
  return document;
}

std::optional<std::string> EventLines::feed(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) {
    if (data_.empty()) return {};
    return std::exchange(data_, {});
  }
  if (!line.starts_with("data:")) return {};
  line.remove_prefix(5);
  if (line.starts_with(' ')) line.remove_prefix(1);
  if (!data_.empty()) data_ += '\n';
  data_ += line;
  return {};
}

}  // namespace baton::cli
