// A name server that gives the name localhost other addresses, by LD_PRELOAD. WRONG_DNS=FILE: what
// stands in FILE when the name is looked up is its address; nothing there: it has none for now.
#include <dlfcn.h>
#include <netdb.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                           addrinfo** list) {
  static const auto real =
      reinterpret_cast<decltype(&getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  const char* path = std::getenv("WRONG_DNS");
  if (path == nullptr || host == nullptr || std::strcmp(host, "localhost") != 0) {
    return real(host, service, hints, list);
  }
  std::string address;
  std::ifstream(path) >> address;
  return address.empty() ? EAI_AGAIN : real(address.c_str(), service, hints, list);
}
