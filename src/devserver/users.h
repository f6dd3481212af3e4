// Who may do what on the devserver: one bearer token per user, with the rights of the Roles that
// baton ships and of Roles that each lack one verb. The users are those of the kubeconfigs that
// `baton-devserver --dir` writes. Immutable after the start.
#pragma once

#include <string>
#include <vector>

namespace baton::devserver {

inline constexpr const char* kNamespace = "baton-test";

struct Access {
  std::string verb;  // get, list, watch, create, update, patch, delete
  std::string group, resource, name_space;
  std::string name;  // "" where the request names none: POST, or a LIST of everything

  /// `leases.coordination.k8s.io "e0"`: what is accessed, as messages call it.
  std::string object() const;
};

struct Rule {
  std::string group, resource;
  std::vector<std::string> verbs;
  std::vector<std::string> names;  // empty: any, also none
};

struct User {
  std::string name;  // as in the file name of its kubeconfig
  std::string token;
  bool is_admin = false;
  std::vector<Rule> rules;  // in kNamespace

  bool may(const Access& access) const;
  /// As the API server calls it in its refusals.
  std::string account() const;
};

/// Fresh random tokens.
std::vector<User> make_users();

}  // namespace baton::devserver
