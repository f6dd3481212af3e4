#include "kube/lease_codec.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/text.h"

struct baton::election::Document {
  nlohmann::json object;
};

namespace baton::kube {
namespace {

using election::Document;
using election::FailureKind;
using election::Lease;
using election::LeaseWrite;
using election::Revision;
using election::WatchEventKind;
using election::WriteKind;
using nlohmann::json;

// etcd stores at most 1.5 MiB per object, a list holds one of them. A real Lease nests 7 deep
// (managedFields); copying and writing recurse, so depth is bounded before anything is built.
constexpr std::size_t kLargestBytes = std::size_t{4} << 20;
constexpr int kDeepest = 64;

/// What a look at the text tells before anything is built of it.
struct Outline {
  int deepest = 0;  // nesting of objects and arrays, whatever else is wrong
  /// What the first managedFields have between their brackets; "" if there are none.
  std::string_view managed_fields;
};

Outline outline_of(std::string_view text) {
  Outline outline;
  int depth = 0, managed_depth = 0;
  std::size_t managed_from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {  // brackets within a string are no nesting
      const std::size_t from = i;
      for (++i; i < text.size() && text[i] != '"'; ++i) i += text[i] == '\\' ? 1 : 0;
      if (managed_from == 0 && text.substr(from).starts_with("\"managedFields\":[")) {
        managed_from = i + 3;
        managed_depth = depth + 1;
      }
    } else if (text[i] == '{' || text[i] == '[') {
      outline.deepest = std::max(outline.deepest, ++depth);
    } else if (text[i] == '}' || text[i] == ']') {
      if (managed_depth != 0 && depth == managed_depth) {
        outline.managed_fields = text.substr(managed_from, i - managed_from);
        managed_depth = 0;
      }
      --depth;
    }
  }
  return outline;
}

/// Half of what the server sends, and of no use here (R1): not worth the time of reading it.
std::string without(std::string_view text, std::string_view part) {
  return std::string(text).erase(static_cast<std::size_t>(part.data() - text.data()), part.size());
}

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

std::optional<Revision> parse_version(const std::string& text) {
  return parse_integer(text, 1, kHighest);
}

/// Fields of one object by name. A null is an absent field, as the API server has it. The first
/// field of a wrong type is remembered in `error`.
class Fields {
 public:
  Fields(const json* object, std::string path, std::string& error)
      : object_(object), path_(std::move(path)), error_(error) {}

  Fields object(const char* name) const {
    const json* found = expect(name, &json::is_object, "an object");
    return {found, path_ + name + ".", error_};
  }
  const json* array(const char* name) const { return expect(name, &json::is_array, "an array"); }
  std::string text(const char* name) const {
    const json* found = expect(name, &json::is_string, "a string");
    return found == nullptr ? std::string() : found->get_ref<const std::string&>();
  }
  std::optional<std::int64_t> integer(const char* name, std::int64_t min, std::int64_t max) const {
    const json* found = expect(name, &json::is_number_integer, "an integer");
    if (found == nullptr) return {};
    const auto value = found->get<std::int64_t>();
    const bool wrapped = found->is_number_unsigned() && value < 0;
    if (!wrapped && value >= min && value <= max) return value;
    complain(name, *found, "between " + std::to_string(min) + " and " + std::to_string(max));
    return {};
  }
  /// metadata.resourceVersion of a list or an event, which must have one.
  Revision revision() const {
    const std::string version = object("metadata").text("resourceVersion");
    const std::optional<Revision> parsed = parse_version(version);
    if (!parsed && error_.empty()) {
      error_ = path_ + "metadata.resourceVersion is '" + printable(version, 60) +
               "', must be a positive decimal integer";
    }
    return parsed.value_or(0);
  }
  const json* get() const { return object_; }

 private:
  void complain(const char* name, const json& value, const std::string& rule) const {
    if (!error_.empty()) return;
    error_ = path_ + name + " is " + printable(value.dump(), 60) + ", must be " + rule;
  }
  const json* expect(const char* name, bool (json::*is_right)() const noexcept,
                     const char* what) const {
    if (object_ == nullptr) return nullptr;
    const auto found = object_->find(name);
    if (found == object_->end() || found->is_null()) return nullptr;
    if ((*found.*is_right)()) return &*found;
    complain(name, *found, what);
    return nullptr;
  }

  const json* object_;
  std::string path_;
  std::string& error_;
};

bool is_ours(const std::string& annotation) {
  return annotation.starts_with(election::annotation::kPrefix);
}

/// Without managedFields: they are never written back (R1).
Result<Lease> lease_from(json object) {
  const auto found = object.find("metadata");
  if (found != object.end() && found->is_object()) found->erase("managedFields");
  Lease lease;
  std::string error;
  const Fields root(&object, "Lease ", error);
  const std::string kind = root.text("kind");  // the items of a list have none
  if (!kind.empty() && kind != "Lease") {
    return Error{"the answer's kind is " + printable(kind, 60) + ", must be Lease"};
  }
  const Fields metadata = root.object("metadata");
  lease.uid = metadata.text("uid");
  lease.version = parse_version(metadata.text("resourceVersion"));
  lease.being_deleted = !metadata.text("deletionTimestamp").empty();
  const Fields annotations = metadata.object("annotations");
  if (annotations.get() != nullptr) {
    for (const auto& item : annotations.get()->items()) {
      if (is_ours(item.key())) lease.annotations[item.key()] = annotations.text(item.key().c_str());
    }
  }
  const Fields spec = root.object("spec");
  lease.holder = spec.text("holderIdentity");
  lease.duration_s = spec.integer("leaseDurationSeconds", kLowest, kHighest);
  // 32 bits on the server, and acquisition adds one.
  lease.transitions =
      spec.integer("leaseTransitions", 0, std::numeric_limits<std::int32_t>::max()).value_or(0);
  lease.acquire_time = spec.text("acquireTime");
  lease.strategy = spec.text("strategy");
  lease.preferred_holder = spec.text("preferredHolder");
  if (error.empty() && lease.uid.empty()) error = "Lease metadata.uid is missing";
  if (!error.empty()) return Error{error};
  lease.spec = spec.get() == nullptr ? "{}" : spec.get()->dump();
  lease.document = std::make_shared<const Document>(Document{std::move(object)});
  return lease;
}

/// The object to write over: what was received, or the bare frame of a new one.
json base_of(const LeaseWrite& write) {
  const bool has_base = write.kind != WriteKind::create && write.base.document;
  json object = has_base ? received(write.base) : json::object();
  for (const char* part : {"metadata", "spec"}) {
    if (!object[part].is_object()) object[part] = json::object();
  }
  return object;
}

void set_annotations(json& metadata, const std::map<std::string, std::string>& ours) {
  json& annotations = metadata["annotations"];
  if (!annotations.is_object()) annotations = json::object();
  for (auto item = annotations.begin(); item != annotations.end();) {
    item = is_ours(item.key()) ? annotations.erase(item) : std::next(item);
  }
  for (const auto& [key, value] : ours) annotations[key] = value;
  if (annotations.empty()) metadata.erase("annotations");
}

WatchLine broken_line(FailureKind kind, const std::string& what) { return {{}, {kind, {}, what}}; }

enum class ManagedFields { read, left_out };

Result<json> parse(std::string_view text, ManagedFields managed) {
  if (text.size() > kLargestBytes) {
    return Error{"the answer has " + std::to_string(text.size()) + " bytes, the limit is " +
                 std::to_string(kLargestBytes)};
  }
  const auto [deepest, managed_fields] = outline_of(text);
  if (deepest > kDeepest) return Error{"the answer's JSON nests deeper than 64 levels"};
  json parsed = managed == ManagedFields::read || managed_fields.empty()
                    ? json::parse(text, nullptr, false)
                    : json::parse(without(text, managed_fields), nullptr, false);
  if (!parsed.is_object()) {
    return Error{"the answer is no JSON object (cut short, or not from an API server): " +
                 printable(trim(text), 120)};
  }
  return parsed;
}

Result<json> parse_lease(std::string_view text) { return parse(text, ManagedFields::left_out); }

}  // namespace

const json& received(const Lease& lease) { return lease.document->object; }

Result<json> parse_object(std::string_view text) { return parse(text, ManagedFields::read); }

Result<Lease> decode_lease(std::string_view text) {
  Result<json> object = parse_lease(text);
  if (!object) return Error{object.error()};
  return lease_from(std::move(*object));
}

Result<Lease> decode_lease_object(json object) { return lease_from(std::move(object)); }

Result<LeaseList> decode_lease_list(std::string_view text, const std::string& name) {
  Result<json> object = parse_lease(text);
  if (!object) return Error{object.error()};
  std::string error;
  const Fields root(&*object, "LeaseList ", error);
  const std::string kind = root.text("kind");
  if (kind != "LeaseList" && error.empty()) {
    error = "the answer's kind is '" + printable(kind, 60) + "', must be LeaseList";
  }
  const Revision revision = root.revision();
  root.array("items");
  if (!error.empty()) return Error{error};
  // Absence is a claim that leads to a creation: a list without the field does not make it.
  if (!object->contains("items")) return Error{"LeaseList items is missing"};
  LeaseList list{revision, {}};
  for (json& item : (*object)["items"]) {  // none in a null
    const Fields lease(item.is_object() ? &item : nullptr, "Lease ", error);
    if (lease.object("metadata").text("name") != name) continue;
    Result<Lease> decoded = lease_from(std::move(item));
    if (!decoded) return Error{decoded.error()};
    list.lease = std::move(*decoded);
  }
  if (!error.empty()) return Error{error};
  return list;
}

WatchLine decode_watch_line(std::string_view text) {
  Result<json> parsed = parse_lease(text);
  if (!parsed) return broken_line(FailureKind::garbled, parsed.error());
  std::string error;
  const Fields root(&*parsed, "watch event ", error);
  const std::string type = root.text("type");
  const Fields object = root.object("object");
  if (error.empty() && object.get() == nullptr) error = "watch event without an object";
  if (!error.empty()) return broken_line(FailureKind::garbled, error);

  if (type == "ERROR") {
    const auto code = object.integer("code", 100, 599).value_or(0);
    return broken_line(failure_kind(static_cast<int>(code)),
                       "ERROR event: " + status_message(object.get()->dump()));
  }
  const Revision revision = object.revision();
  if (!error.empty()) return broken_line(FailureKind::garbled, error);
  if (type == "BOOKMARK") return {{{0, WatchEventKind::bookmark, revision, {}}}, {}};
  if (type != "ADDED" && type != "MODIFIED" && type != "DELETED") {
    return broken_line(FailureKind::garbled,
                       "watch event type is '" + printable(type, 60) +
                           "', must be ADDED, MODIFIED, DELETED, BOOKMARK or ERROR");
  }
  Result<Lease> lease = lease_from(std::move((*parsed)["object"]));
  if (!lease) return broken_line(FailureKind::garbled, lease.error());
  const auto change = type == "DELETED" ? WatchEventKind::deleted : WatchEventKind::changed;
  return {{{0, change, revision, std::move(*lease)}}, {}};
}

std::string_view modified_object(std::string_view line) {
  constexpr std::string_view kHead = R"({"type":"MODIFIED","object":)";
  if (!line.starts_with(kHead) || !line.ends_with('}')) return "";
  line.remove_prefix(kHead.size());
  line.remove_suffix(1);
  return line;
}

std::string encode_write(const LeaseWrite& write, const std::string& namespace_name,
                         const std::string& name, const std::string& now_micro) {
  json object = base_of(write);
  object["apiVersion"] = "coordination.k8s.io/v1";
  object["kind"] = "Lease";
  json& metadata = object["metadata"];
  metadata["name"] = name;
  metadata["namespace"] = namespace_name;
  if (write.kind != WriteKind::create) {
    metadata["uid"] = write.base.uid;
    if (write.base.version) metadata["resourceVersion"] = std::to_string(*write.base.version);
  }
  set_annotations(metadata, write.annotations);
  json& spec = object["spec"];
  spec["holderIdentity"] = write.holder;
  spec["leaseDurationSeconds"] = write.duration_s;
  spec["leaseTransitions"] = write.transitions;
  spec["renewTime"] = now_micro;
  if (write.kind == WriteKind::acquire) spec["acquireTime"] = now_micro;
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string status_message(std::string_view body) {
  if (trim(body).empty()) return "an answer without a body";
  const Result<json> object = parse_object(body);
  if (object) {
    const auto message = object->find("message");
    if (message != object->end() && message->is_string()) {
      return printable(message->get_ref<const std::string&>(), 400);
    }
  }
  return printable(trim(body), 120);
}

FailureKind failure_kind(int status) {
  if (status == 404) return FailureKind::not_found;
  if (status == 409) return FailureKind::conflict;
  if (status == 410) return FailureKind::gone;
  if (status == 429) return FailureKind::throttled;
  if (status >= 500) return FailureKind::unavailable;
  return status >= 400 ? FailureKind::refused : FailureKind::garbled;
}

}  // namespace baton::kube
