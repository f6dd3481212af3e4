#include "runtime/identity.h"

#include <openssl/sha.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/algorithm/hex.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "base/text.h"

namespace baton::runtime {
namespace {

std::string first_of(std::initializer_list<std::string> candidates) {
  for (const std::string& candidate : candidates) {
    if (!candidate.empty()) return candidate;
  }
  return {};
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name[0] != '\0' ? name.data() : "localhost";
}

/// Abstract names hold 107 bytes; a longer one keeps its meaning through its digest.
std::string socket_name(const Identity& identity, const std::string& election) {
  std::string name = "baton/" + identity.pod_uid + "/" + identity.namespace_name + "/" + election;
  if (name.size() <= sizeof(sockaddr_un::sun_path) - 1) return name;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(name.data()), name.size(), digest.data());
  std::string short_name = "baton/";
  boost::algorithm::hex_lower(digest, std::back_inserter(short_name));
  return short_name;
}

std::string network_namespace() {
  struct stat info {};
  return ::stat("/proc/self/ns/net", &info) == 0 ? std::to_string(info.st_ino) : "";
}

/// The process that listens on `address`, as far as the kernel lets us see it.
std::string owner_of(const sockaddr_un& address, socklen_t length) {
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ucred owner{};
  socklen_t size = sizeof owner;
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      ::getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &owner, &size) != 0 || owner.pid == 0) {
    return "a process of another container";
  }
  return "process " + std::to_string(owner.pid);
}

}  // namespace

std::uint64_t random_bits() {
  std::uint64_t bits = 0;
  if (::getrandom(&bits, sizeof bits, 0) != sizeof bits) {
    std::perror("getrandom");
    std::abort();
  }
  return bits;
}

Result<Identity> find_identity(const config::Settings& settings, kube::Credentials& credentials) {
  const kube::PodIdentity claims = kube::pod_identity(credentials.bearer());
  Identity identity;
  identity.namespace_name = first_of(
      {settings.namespace_name, credentials.cluster().namespace_name, claims.namespace_name});
  if (identity.namespace_name.empty()) {
    if (credentials.cluster().is_in_cluster) {
      return Error{
          "no namespace: the service account's volume holds no file 'namespace' and its "
          "token names none; mount that file, or set namespace"};
    }
    identity.namespace_name = "default";  // as kubectl
  }
  identity.pod_name = first_of({settings.pod_name, claims.pod_name, host_name()});
  // A UID belongs to the Pod it was given with: another Pod's name takes no UID from the token.
  const bool same_pod = identity.pod_name == claims.pod_name;
  identity.pod_uid = first_of({settings.pod_uid, same_pod ? claims.pod_uid : ""});
  identity.legacy_name = first_of({settings.id, identity.pod_name});
  std::array<char, 17> random{};
  std::snprintf(random.data(), random.size(), "%016lx", random_bits());
  identity.holder = identity.legacy_name + "_" +
                    first_of({identity.pod_uid.substr(0, 8), "local"}) + "_" + random.data();
  return identity;
}

Result<Incarnation> claim_incarnation(const Identity& identity, const std::string& election) {
  Incarnation incarnation;
  if (identity.pod_uid.empty()) return incarnation;

  const std::string name = socket_name(identity, election);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(&address.sun_path[1], name.data(), name.size());  // [0] = 0: abstract
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());

  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      ::listen(socket.get(), 1) != 0) {
    if (errno != EADDRINUSE) {
      return Error{"socket @" + name + ": " + std::strerror(errno)};
    }
    return Error{"election " + election + ": " + owner_of(address, length) +
                 " of this Pod already runs it; one Pod runs one sidecar for an election: remove "
                 "the second or name another election"};
  }
  const auto boot_id = read_file("/proc/sys/kernel/random/boot_id");
  const std::string net = network_namespace();
  if (boot_id.ok() && !net.empty()) {
    incarnation.name = identity.pod_uid + "/" + std::string(trim(*boot_id)) + "/" + net;
  }
  incarnation.socket = std::move(socket);
  return incarnation;
}

}  // namespace baton::runtime
