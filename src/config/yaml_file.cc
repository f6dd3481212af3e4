#include "config/yaml_file.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <set>
#include <sstream>

#include "base/text.h"

namespace baton::config {
namespace {

/// Fills value, or wrong if the node is neither a scalar nor a list of scalars.
void read_value(const YAML::Node& node, YamlEntry& entry) {
  if (node.IsScalar()) {
    entry.value = node.Scalar();
    return;
  }
  if (node.IsNull()) {
    entry.wrong = "has no value; write one or remove the key";
    return;
  }
  entry.wrong = "has the wrong type; write one value, or a list where the setting takes a list";
  if (!node.IsSequence() || node.size() == 0) return;
  std::string joined;
  for (const YAML::Node& part : node) {
    if (!part.IsScalar() || part.Scalar().find(',') != std::string::npos) return;
    joined += (joined.empty() ? "" : ",") + part.Scalar();
  }
  entry.value = std::move(joined);
  entry.wrong.clear();
}

/// Hears nothing: for counting documents.
class Deaf : public YAML::EventHandler {
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

/// yaml-cpp takes what it cannot place, like a comma at the start of a line, for the beginning of
/// yet another document, again and again: YAML::LoadAll would never return.
bool has_two_documents(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  Deaf deaf;
  return parser.HandleNextDocument(deaf) && parser.HandleNextDocument(deaf);
}

Result<std::vector<YamlEntry>> entries_of(const std::string& path, const std::string& text) {
  if (has_two_documents(text)) {
    return Error{path + ": holds several YAML documents, or more after the end of one; keep one"};
  }
  const YAML::Node document = YAML::Load(text);
  std::vector<YamlEntry> entries;
  if (document.IsNull()) return entries;
  if (!document.IsMap()) {
    return Error{path + ": is not a YAML map; write lines like election: my-app"};
  }
  std::set<std::string> seen;
  for (const auto& pair : document) {
    YamlEntry entry;
    entry.line = pair.first.Mark().line + 1;
    entry.key = pair.first.IsScalar() ? pair.first.Scalar() : "?";
    read_value(pair.second, entry);
    if (!seen.insert(entry.key).second) entry.wrong = "is given twice; remove one";
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace

Result<std::vector<YamlEntry>> read_yaml_file(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return Error{text.error()};
  try {
    return entries_of(path, *text);
  } catch (const YAML::Exception& error) {
    return Error{path + ":" + std::to_string(error.mark.line + 1) +
                 ": is not valid YAML: " + printable(error.msg)};
  }
}

}  // namespace baton::config
