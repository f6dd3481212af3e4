#include "cli/document.h"

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "election/lease.h"

namespace baton::cli {
namespace {

using nlohmann::json;

constexpr std::pair<const char*, std::string Document::*> kTexts[] = {
    {"/state", &Document::state},
    {"/reason", &Document::reason},
    {"/election", &Document::election},
    {"/namespace", &Document::namespace_name},
    {"/pod", &Document::pod},
    {"/fencingToken", &Document::fencing_token},
    {"/termId", &Document::term_id},
    {"/revision", &Document::revision},
    {"/leader/pod", &Document::leader_pod},
    {"/leader/identity", &Document::leader_identity},
    {"/leader/address", &Document::leader_address},
    {"/leader/fencingToken", &Document::leader_token},
    {"/leader/since", &Document::leader_since},
    {"/leader/transitions", &Document::leader_transitions},
    {"/traffic/leads", &Document::traffic},
    {"/traffic/reason", &Document::traffic_reason},
};

/// A member as text: strings as they are, numbers in decimal, anything else "".
std::string text(const json& object, const char* path) {
  const json::json_pointer pointer(path);
  if (!object.contains(pointer)) return "";
  const json& member = object.at(pointer);
  if (member.is_string()) return member.get<std::string>();
  return member.is_number_integer() ? member.dump() : "";
}

std::int64_t integer(const json& object, const char* path, std::int64_t most) {
  return std::min(most, parse_integer(text(object, path), 0, INT64_MAX).value_or(0));
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
  document.json = trim(text_of_document);
  document.is_leader = object["isLeader"].get<bool>();
  for (const auto& [path, member] : kTexts) document.*member = text(object, path);
  if (!parse_integer(document.fencing_token, 1, election::kMaxToken)) {
    document.fencing_token.clear();  // no yes without one (leads())
  }
  const std::int64_t deadline_ns = integer(object, "/deadlineBoottimeNs", INT64_MAX);
  if (deadline_ns > 0) document.deadline = Instant(Duration(deadline_ns));
  document.validity =
      std::chrono::milliseconds(integer(object, "/lease/renewDeadlineMs", 3'600'000));
  return document;
}

std::string term_body(const std::string& term_id, const std::string& holder) {
  json body = {{"termId", term_id}};
  if (!holder.empty()) body["name"] = holder;
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
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
