// A kubeconfig file: the fields that baton supports are read, those that would change who we are or
// whom we talk to and are not supported are refused by name.
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/text.h"
#include "kube/cluster.h"
#include "kube/formats.h"

namespace baton::kube {
namespace {

namespace fs = std::filesystem;

struct Refused {
  const char* key;
  const char* instead;
};
constexpr Refused kRefusedOfCluster[] = {
    {"insecure-skip-tls-verify", "give certificate-authority, baton always verifies the server"},
    {"proxy-url", "connect directly or run the proxy as a transparent one"},
};
constexpr const char* kUseToken = "use token, tokenFile or a client certificate";
constexpr Refused kRefusedOfUser[] = {
    {"exec", "use tokenFile, written by what runs the plugin, or a service account token"},
    {"auth-provider", kUseToken},
    {"username", kUseToken},
    {"password", kUseToken},
    {"as", "use the credentials of that user"},
    {"as-uid", "use the credentials of that user"},
    {"as-groups", "use the credentials of that user"},
    {"as-user-extra", "use the credentials of that user"},
};
// Extensions are notes of other tools; compression of answers is never asked for.
constexpr const char* kKnownOfCluster[] = {"server",          "certificate-authority",
                                           "tls-server-name", "certificate-authority-data",
                                           "extensions",      "disable-compression"};
constexpr const char* kKnownOfUser[] = {"client-certificate",
                                        "client-certificate-data",
                                        "client-key",
                                        "client-key-data",
                                        "token",
                                        "tokenFile",
                                        "extensions"};
constexpr const char* kKnownOfContext[] = {"cluster", "user", "namespace", "extensions"};

bool is_empty(const YAML::Node& node) {
  if (!node.IsDefined() || node.IsNull()) return true;
  if (!node.IsScalar()) return node.size() == 0;
  return node.Scalar().empty() || node.Scalar() == "false";
}

/// One named entry of clusters, users or contexts. Complaints of all of them go to one list.
class Section {
 public:
  Section(std::string title, const YAML::Node& body, const fs::path& folder,
          std::vector<std::string>& complaints)
      : title_(std::move(title)), body_(body), folder_(folder), complaints_(complaints) {}

  void complain(const std::string& what) const { complaints_.push_back(title_ + ": " + what); }

  std::string text(const char* key) const {
    const YAML::Node node = body_[key];
    if (!node.IsDefined() || node.IsNull()) return "";
    if (!node.IsScalar()) {
      complain(std::string(key) + " must be a text");
      return "";
    }
    return node.Scalar();
  }
  /// Fills one of `pem` (from KEY-data, which wins) and `file` (from KEY, relative to the
  /// kubeconfig).
  void material(const std::string& key, std::string& pem, std::string& file) const {
    const std::string data_key = key + "-data";
    if (const std::string data = text(data_key.c_str()); !data.empty()) {
      const auto decoded = decode_base64(data);
      if (!decoded) complain(data_key + " is no base64");
      pem = decoded.value_or("");
    } else {
      file = path(key.c_str());
    }
  }
  std::string path(const char* key) const {
    const std::string name = text(key);
    return name.empty() ? name : (folder_ / name).lexically_normal().string();
  }
  template <std::size_t Known>
  void refuse_unknown(const char* const (&known)[Known], const Refused* begin,
                      const Refused* end) const {
    for (const auto& item : body_) {
      const std::string key = item.first.IsScalar() ? item.first.Scalar() : "?";
      if (is_empty(item.second) || std::find(known, known + Known, key) != known + Known) continue;
      const Refused* refused =
          std::find_if(begin, end, [&](const Refused& one) { return key == one.key; });
      complain(printable(key, 60) + " is not supported" +
               (refused == end ? "; remove it" : std::string("; ") + refused->instead));
    }
  }

 private:
  std::string title_;
  YAML::Node body_;
  const fs::path& folder_;
  std::vector<std::string>& complaints_;
};

/// "https://host[:port][/path]" into the cluster. "" or what is wrong with it.
std::string read_server(const std::string& server, Cluster& cluster) {
  const std::string shown = "server '" + printable(server, 120) + "' ";
  if (server.empty()) return "server is missing";
  if (server.starts_with("http://")) {
    return shown + "is plain http, which would send the token in clear; use its https address";
  }
  if (!server.starts_with("https://")) return shown + "must begin with https://";
  const std::string rest = server.substr(8);
  const auto slash = rest.find('/');
  const std::string authority = rest.substr(0, slash);
  cluster.path_prefix = slash == std::string::npos ? "" : rest.substr(slash);
  while (cluster.path_prefix.ends_with('/')) cluster.path_prefix.pop_back();
  for (const char c : rest) {
    if (c <= ' ' || c > '~' || c == '@' || c == '?' || c == '#') {
      return shown + "must be https://HOST[:PORT][/PATH] without user, query or fragment";
    }
  }
  const bool bracketed = authority.starts_with('[');
  const auto host_end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && host_end == std::string::npos) return shown + "has a '[' without its ']'";
  cluster.endpoint.host =
      bracketed ? authority.substr(1, host_end - 1) : authority.substr(0, host_end);
  const std::string tail =
      host_end == std::string::npos ? "" : authority.substr(host_end + (bracketed ? 1 : 0));
  const auto port = tail.empty()            ? std::optional<std::int64_t>(443)
                    : tail.starts_with(':') ? parse_integer(tail.substr(1), 1, 65535)
                                            : std::nullopt;
  if (cluster.endpoint.host.empty() || !port) {
    return shown + "must name a host, and a port from 1 to 65535 if any";
  }
  cluster.endpoint.port = static_cast<std::uint16_t>(*port);
  cluster.endpoint.authority = authority;
  return "";
}

/// The file's path, or why there is not exactly one.
Result<std::string> choose_path(const std::string& path) {
  if (!path.empty()) return path;
  const char* variable = std::getenv("KUBECONFIG");
  std::vector<std::string> named;
  std::string_view rest = variable == nullptr ? "" : variable;
  while (!rest.empty()) {
    const auto colon = std::min(rest.find(':'), rest.size());
    if (colon > 0) named.emplace_back(rest.substr(0, colon));
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  if (named.size() > 1) {
    return Error{"KUBECONFIG names " + std::to_string(named.size()) + " files (" + variable +
                 "), baton reads one; merge them: kubectl config view --flatten > FILE, then "
                 "--kubeconfig=FILE"};
  }
  if (named.size() == 1) return named[0];
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    return Error{"no kubeconfig: neither --kubeconfig nor KUBECONFIG nor HOME is set"};
  }
  return std::string(home) + "/.kube/config";
}

/// The body of the entry called `name` in a list of {name, KIND: body}. Undefined if there is none.
YAML::Node find_entry(const YAML::Node& root, const char* list, const char* kind,
                      const std::string& name, std::string& names) {
  for (const YAML::Node& entry : root[list]) {
    if (!entry.IsMap() || !entry["name"].IsDefined() || !entry["name"].IsScalar()) continue;
    if (entry["name"].Scalar() == name) {
      const YAML::Node body = entry[kind];
      return body.IsDefined() && body.IsMap() ? body : YAML::Node(YAML::NodeType::Map);
    }
    names += (names.empty() ? "" : ", ") + printable(entry["name"].Scalar(), 60);
  }
  return YAML::Node(YAML::NodeType::Undefined);
}

Result<Cluster> read_config(const YAML::Node& root, const std::string& path,
                            const std::string& wanted) {
  const fs::path folder = fs::absolute(path).parent_path();
  std::vector<std::string> complaints;
  const Section top("", root, folder, complaints);
  const std::string name = wanted.empty() ? top.text("current-context") : wanted;
  if (name.empty()) return Error{"current-context is not set; set it or give --context"};

  std::string names;
  const YAML::Node context_body = find_entry(root, "contexts", "context", name, names);
  if (!context_body.IsDefined()) {
    return Error{"context '" + printable(name, 60) +
                 "' does not exist; there are: " + (names.empty() ? "none" : names)};
  }
  const Section context("context " + name, context_body, folder, complaints);
  context.refuse_unknown(kKnownOfContext, nullptr, nullptr);
  const std::string cluster_name = context.text("cluster");
  const std::string user_name = context.text("user");
  names.clear();
  const YAML::Node cluster_body = find_entry(root, "clusters", "cluster", cluster_name, names);
  const YAML::Node user_body = find_entry(root, "users", "user", user_name, names);
  if (!cluster_body.IsDefined()) context.complain("cluster '" + cluster_name + "' does not exist");
  if (!user_body.IsDefined() && !user_name.empty()) {
    context.complain("user '" + user_name + "' does not exist");
  }

  Cluster cluster;
  cluster.source = path + " (context " + name + ")";
  cluster.namespace_name = context.text("namespace");
  if (cluster_body.IsDefined()) {
    const Section section("cluster " + cluster_name, cluster_body, folder, complaints);
    section.refuse_unknown(kKnownOfCluster, std::begin(kRefusedOfCluster),
                           std::end(kRefusedOfCluster));
    if (const auto why = read_server(section.text("server"), cluster); !why.empty()) {
      section.complain(why);
    }
    cluster.tls_server_name = section.text("tls-server-name");
    section.material("certificate-authority", cluster.ca_pem, cluster.ca_file);
    if (cluster.ca_pem.empty() && cluster.ca_file.empty()) {
      section.complain(
          "certificate-authority is missing; baton trusts no other CA than the one named here");
    }
  }
  if (user_body.IsDefined()) {
    const Section section("user " + user_name, user_body, folder, complaints);
    section.refuse_unknown(kKnownOfUser, std::begin(kRefusedOfUser), std::end(kRefusedOfUser));
    section.material("client-certificate", cluster.client_certificate_pem,
                     cluster.client_certificate_file);
    section.material("client-key", cluster.client_key_pem, cluster.client_key_file);
    if ((cluster.client_certificate_pem + cluster.client_certificate_file).empty() !=
        (cluster.client_key_pem + cluster.client_key_file).empty()) {
      section.complain("client-certificate and client-key need each other");
    }
    cluster.token_file = section.path("tokenFile");
    if (cluster.token_file.empty()) cluster.token = section.text("token");
  }
  if (!complaints.empty()) {
    std::string all;
    for (const std::string& complaint : complaints) all += (all.empty() ? "" : "; ") + complaint;
    return Error{all};
  }
  if (std::string why = check_files(cluster); !why.empty()) return Error{why};
  return cluster;
}

}  // namespace

Result<Cluster> from_kubeconfig(const std::string& path, const std::string& context) {
  const Result<std::string> chosen = choose_path(path);
  if (!chosen) return Error{chosen.error()};
  const Result<std::string> text = read_file(*chosen);
  if (!text) return Error{"kubeconfig " + text.error()};
  const std::string prefix = "kubeconfig " + *chosen + ": ";
  try {
    const YAML::Node root = YAML::Load(*text);
    if (!root.IsMap()) return Error{prefix + "is no YAML map; name a kubeconfig file"};
    Result<Cluster> cluster = read_config(root, *chosen, context);
    return cluster.ok() ? cluster : Error{prefix + cluster.error()};
  } catch (const std::exception& exception) {  // YAML::Exception, or a path too long
    return Error{prefix + printable(exception.what())};
  }
}

}  // namespace baton::kube
