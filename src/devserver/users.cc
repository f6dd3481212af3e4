#include "devserver/users.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

namespace baton::devserver {
namespace {

using Verbs = std::vector<std::string>;

const char* const kLeaseGroup = "coordination.k8s.io";

std::string random_token() {
  std::array<unsigned char, 16> bytes{};
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  std::array<char, 2 * bytes.size() + 1> text{};
  OPENSSL_buf2hexstr_ex(text.data(), text.size(), nullptr, bytes.data(), bytes.size(), '\0');
  return text.data();
}

template <typename List>
bool contains(const List& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// The Leases of the tests and of the quickstart.
std::vector<std::string> lease_names() {
  std::vector<std::string> names;
  for (int i = 0; i < 50; ++i) {
    names.push_back("e" + std::to_string(i));
    names.push_back(names.back() + "-measure");  // which baton check --measure writes to
  }
  names.emplace_back("bench");
  return names;
}

Rule leases(Verbs verbs) { return {kLeaseGroup, "leases", std::move(verbs), lease_names()}; }

std::vector<Rule> with_extras(Rule rule) {
  return {std::move(rule), {"", "pods", {"get"}, {}}, {"", "events", {"create"}, {}}};
}

}  // namespace

std::string Access::object() const {
  const std::string text = group.empty() ? resource : resource + "." + group;
  return name.empty() ? text : text + " \"" + name + "\"";
}

bool User::may(const Access& access) const {
  if (is_admin) return true;
  return access.name_space == kNamespace &&
         std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) {
           return rule.group == access.group && rule.resource == access.resource &&
                  contains(rule.verbs, access.verb) &&
                  (rule.names.empty() || contains(rule.names, access.name));
         });
}

std::string User::account() const {
  return is_admin ? name : std::string("system:serviceaccount:") + kNamespace + ":" + name;
}

std::vector<User> make_users() {
  const Verbs all = {"get", "list", "watch", "update", "create"};
  const auto without = [&](const char* verb) {
    Verbs verbs = all;
    std::erase(verbs, verb);
    return leases(verbs);
  };
  std::vector<User> users;
  users.push_back({"admin", random_token(), true, {}});
  const auto add = [&](std::string name, std::vector<Rule> rules) {
    users.push_back({std::move(name), random_token(), false, std::move(rules)});
  };
  for (int i = 0; i < 5; ++i) add("candidate-" + std::to_string(i), with_extras(leases(all)));
  for (int i = 0; i < 3; ++i) {  // client-go creates by POST, which names nothing
    add("client-go-" + std::to_string(i),
        {{kLeaseGroup, "leases", {"get", "update", "create"}, {}}});
  }
  for (int i = 0; i < 2; ++i) {
    auto rules = with_extras(leases(all));
    rules.push_back({"discovery.k8s.io", "endpointslices", {"get", "create", "update"}, {}});
    rules.push_back({"", "pods", {"list", "patch"}, {}});
    add("traffic-" + std::to_string(i), std::move(rules));
  }
  add("lease-only", {leases(all)});
  add("no-create", with_extras(without("create")));
  add("no-watch", with_extras(without("watch")));
  add("no-update", with_extras(without("update")));
  add("nobody", {});
  return users;
}

}  // namespace baton::devserver
