// A kubeconfig file: the fields that baton supports are read, those that would change who we are or
// whom we talk to and are not supported are refused by name.
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/join.hpp>
#include <boost/algorithm/string/split.hpp>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <vector>

#include "base/text.h"
#include "kube/cluster.h"
#include "kube/formats.h"

namespace baton::kube {
namespace {

namespace fs = std::filesystem;

// It names files and entries of any kind; a line of text it stays.
constexpr std::size_t kLongestError = 4096;

/// The keys known in one kind of entry: "" is supported, or changes nothing; any other is refused
/// with what to use instead.
using Keys = std::map<std::string_view, std::string_view>;
constexpr std::string_view kUseToken = "use token, tokenFile or a client certificate";
constexpr std::string_view kUseThatUser = "use the credentials of that user";
const Keys kRootKeys = {{"apiVersion", ""}, {"kind", ""},     {"current-context", ""},
                        {"contexts", ""},   {"clusters", ""}, {"users", ""},
                        {"extensions", ""}};
const Keys kContextKeys = {{"cluster", ""}, {"user", ""}, {"namespace", ""}, {"extensions", ""}};
const Keys kClusterKeys = {
    {"server", ""},
    {"tls-server-name", ""},
    {"certificate-authority", ""},
    {"certificate-authority-data", ""},
    {"extensions", ""},           // notes of other tools
    {"disable-compression", ""},  // compressed answers are never asked for
    {"insecure-skip-tls-verify", "give certificate-authority, baton always verifies the server"},
    {"proxy-url", "connect directly or run the proxy as a transparent one"},
};
const Keys kUserKeys = {
    {"client-certificate", ""},
    {"client-certificate-data", ""},
    {"client-key", ""},
    {"client-key-data", ""},
    {"token", ""},
    {"tokenFile", ""},
    {"extensions", ""},
    {"exec", "use tokenFile, written by what runs the plugin, or a service account token"},
    {"auth-provider", kUseToken},
    {"username", kUseToken},
    {"password", kUseToken},
    {"as", kUseThatUser},
    {"as-uid", kUseThatUser},
    {"as-groups", kUseThatUser},
    {"as-user-extra", kUseThatUser},
};

/// Switches that change nothing while they are off.
constexpr std::string_view kSwitches[] = {"insecure-skip-tls-verify"};

bool is_empty(const std::string& key, const YAML::Node& node) {
  if (!node.IsDefined() || node.IsNull()) return true;
  if (!node.IsScalar()) return node.size() == 0;
  return node.Scalar().empty() ||
         (node.Scalar() == "false" && std::ranges::find(kSwitches, key) != std::end(kSwitches));
}

/// A kubeconfig being read. All that is wrong with it is said at once, one line each.
struct File {
  YAML::Node root;
  fs::path path;
  std::vector<std::string> complaints;

  void complain(const std::string& what) {
    complaints.push_back("kubeconfig " + printable(path.string(), kLongestError) + ": " +
                         printable(what, kLongestError));
  }
  fs::path folder() const { return fs::absolute(path).parent_path(); }
  Error error() const { return {boost::join(complaints, "\n")}; }

  /// Complains about each key of the map `node` that is neither known nor empty.
  void check_keys(const std::string& title, const YAML::Node& node, const Keys& keys) {
    for (const auto& item : node) {
      const std::string key = item.first.IsScalar() ? item.first.Scalar() : "?";
      const auto known = keys.find(key);
      const std::string_view instead = known == keys.end() ? "remove it" : known->second;
      if (is_empty(key, item.second) || instead.empty()) continue;
      complain(title + printable(key, 60) + " is not supported; " + std::string(instead));
    }
  }
};

/// One named entry of clusters, users or contexts. One that does not exist is empty.
class Section {
 public:
  Section(File& file, const std::string& kind, const std::string& name, const Keys& keys)
      : title_(kind + " " + name + ": "), file_(file) {
    for (const YAML::Node& entry : std::as_const(file.root)[kind + "s"]) {
      if (!entry.IsMap() || !entry["name"].IsDefined() || !entry["name"].IsScalar()) continue;
      names_.push_back(printable(entry["name"].Scalar(), 60));
      if (exists_ || entry["name"].Scalar() != name) continue;
      exists_ = true;
      file_.check_keys(title_, entry, {{"name", ""}, {kind, ""}});
      if (entry[kind].IsDefined() && entry[kind].IsMap()) body_.reset(entry[kind]);
    }
    file_.check_keys(title_, body_, keys);
  }

  bool exists() const { return exists_; }
  std::string all_names() const { return names_.empty() ? "none" : boost::join(names_, ", "); }
  void complain(const std::string& what) const { file_.complain(title_ + what); }

  std::string text(const std::string& key) const {
    const YAML::Node node = body_[key];
    if (!node.IsDefined() || node.IsNull()) return "";
    if (!node.IsScalar()) {
      complain(key + " must be a text");
      return "";
    }
    return node.Scalar();
  }
  /// Relative to the kubeconfig.
  std::string path(const std::string& key) const {
    const std::string name = text(key);
    return name.empty() ? name : (file_.folder() / name).lexically_normal().string();
  }
  /// Fills one of `pem` (from KEY-data, which wins) and `path_to` (from KEY).
  void material(const std::string& key, std::string& pem, std::string& path_to) const {
    const std::string data = text(key + "-data");
    if (data.empty()) {
      path_to = path(key);
      return;
    }
    const auto decoded = decode_base64(data);
    if (!decoded) complain(key + "-data is no base64");
    pem = decoded.value_or("");
  }

 private:
  const std::string title_;
  File& file_;
  std::vector<std::string> names_;  // of all entries of this kind
  bool exists_ = false;
  YAML::Node body_{YAML::NodeType::Map};
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
  const auto is_odd = [](char c) {
    return c <= ' ' || c > '~' || c == '@' || c == '?' || c == '#';
  };
  if (std::any_of(rest.begin(), rest.end(), is_odd)) {
    return shown + "must be https://HOST[:PORT][/PATH] without user, query or fragment";
  }
  const std::string authority = rest.substr(0, rest.find('/'));
  cluster.path_prefix = rest.substr(authority.size());
  while (cluster.path_prefix.ends_with('/')) cluster.path_prefix.pop_back();

  const std::size_t bracket = authority.starts_with('[') ? 1 : 0;
  const auto host_end = std::min(authority.find(bracket == 1 ? ']' : ':'), authority.size());
  if (host_end + bracket > authority.size()) return shown + "has a '[' without its ']'";
  const std::string tail = authority.substr(host_end + bracket);
  const std::int64_t port = tail.empty() ? 443
                            : tail.starts_with(':')
                                ? parse_integer(tail.substr(1), 1, 65535).value_or(0)
                                : 0;
  cluster.endpoint.host = authority.substr(bracket, host_end - bracket);
  if (cluster.endpoint.host.empty() || port == 0) {
    return shown + "must name a host, and a port from 1 to 65535 if any";
  }
  cluster.endpoint.port = static_cast<std::uint16_t>(port);
  cluster.endpoint.authority = authority;
  return "";
}

/// The file's path, or why there is not exactly one.
Result<std::string> choose_path(const std::string& path) {
  if (!path.empty()) return path;
  std::vector<std::string> named;
  if (const char* variable = std::getenv("KUBECONFIG")) {
    boost::split(named, std::string(variable), boost::is_any_of(":"));
    std::erase(named, "");
  }
  if (named.size() > 1) {
    return Error{"KUBECONFIG names " + std::to_string(named.size()) + " files (" +
                 boost::join(named, ":") + "), baton reads one; merge them: kubectl config view " +
                 "--flatten > FILE, then --kubeconfig=FILE"};
  }
  if (named.size() == 1) return named[0];
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    return Error{"no kubeconfig: neither --kubeconfig nor KUBECONFIG nor HOME is set"};
  }
  return std::string(home) + "/.kube/config";
}

Result<Cluster> read_config(File& file, std::string name) {
  file.check_keys("", file.root, kRootKeys);
  const YAML::Node current = std::as_const(file.root)["current-context"];
  if (name.empty() && current.IsDefined()) name = current.Scalar();
  if (name.empty()) {
    file.complain("current-context is not set; set it or give --context");
    return file.error();
  }
  const Section context(file, "context", name, kContextKeys);
  if (!context.exists()) {
    file.complain("context '" + printable(name, 60) +
                  "' does not exist; there are: " + context.all_names());
    return file.error();
  }
  const std::string cluster_name = context.text("cluster");
  const std::string user_name = context.text("user");
  const Section server(file, "cluster", cluster_name, kClusterKeys);
  const Section user(file, "user", user_name, kUserKeys);

  Cluster cluster;
  cluster.source = file.path.string() + " (context " + printable(name, 60) + ")";
  cluster.namespace_name = context.text("namespace");
  if (!server.exists()) {
    context.complain("cluster '" + cluster_name + "' does not exist");
  } else {
    const std::string why = read_server(server.text("server"), cluster);
    if (!why.empty()) server.complain(why);
    cluster.tls_server_name = server.text("tls-server-name");
    server.material("certificate-authority", cluster.ca_pem, cluster.ca_file);
    if (cluster.ca_pem.empty() && cluster.ca_file.empty()) {
      server.complain(
          "certificate-authority is missing; baton trusts no other CA than the one named here");
    }
  }
  if (!user.exists() && !user_name.empty()) {
    context.complain("user '" + user_name + "' does not exist");
  }
  user.material("client-certificate", cluster.client_certificate_pem,
                cluster.client_certificate_file);
  user.material("client-key", cluster.client_key_pem, cluster.client_key_file);
  if ((cluster.client_certificate_pem + cluster.client_certificate_file).empty() !=
      (cluster.client_key_pem + cluster.client_key_file).empty()) {
    user.complain("client-certificate and client-key need each other");
  }
  cluster.token_file = user.path("tokenFile");
  if (cluster.token_file.empty()) cluster.token = user.text("token");

  for (const std::string& why : check_files(cluster)) file.complain(why);
  if (!file.complaints.empty()) return file.error();
  return cluster;
}

}  // namespace

Result<Cluster> from_kubeconfig(const std::string& path, const std::string& context) {
  const Result<std::string> chosen = choose_path(path);
  if (!chosen) return Error{chosen.error()};
  const Result<std::string> text = read_file(*chosen);
  if (!text) {
    return Error{"kubeconfig " + text.error() + "; name a kubeconfig that this user can read"};
  }
  File file{{}, *chosen, {}};
  try {
    file.root = YAML::Load(*text);
    if (file.root.IsMap()) return read_config(file, context);
    file.complain("is no YAML map; name a kubeconfig file");
  } catch (const std::exception& exception) {  // YAML::Exception, or a path too long
    file.complain(exception.what());
  }
  return file.error();
}

}  // namespace baton::kube
