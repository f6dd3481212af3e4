#include "devserver/folder.h"

#include <openssl/evp.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace baton::devserver {
namespace {

std::string base64(const std::string& text) {
  std::string encoded(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  encoded.resize(static_cast<std::size_t>(size));
  return encoded;
}

std::string kubeconfig(const std::string& server_url, const std::string& ca_pem, const User& user) {
  return "apiVersion: v1\n"
         "kind: Config\n"
         "clusters:\n"
         "- name: devserver\n"
         "  cluster: {server: \"" +
         server_url + "\", certificate-authority-data: " + base64(ca_pem) +
         "}\n"
         "users:\n"
         "- name: " +
         user.name +
         "\n"
         "  user: {token: \"" +
         user.token +
         "\"}\n"
         "contexts:\n"
         "- name: devserver\n"
         "  context: {cluster: devserver, user: " +
         user.name + ", namespace: " + kNamespace +
         "}\n"
         "current-context: devserver\n";
}

// Readable by the owner only: the kubeconfigs carry tokens.
std::string write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path);
  ::chmod(path.c_str(), 0600);
  file << text;
  file.close();
  return file ? "" : "cannot write " + path.string() + ": " + std::strerror(errno);
}

}  // namespace

std::string write_cluster_files(const std::string& folder, const ClusterFiles& files,
                                const std::vector<User>& users) {
  const std::filesystem::path dir(folder);
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  std::string failed;
  const auto write = [&](const std::string& name, const std::string& text) {
    if (failed.empty()) failed = write_file(dir / name, text);
  };
  for (const User& user : users) {
    write(user.name + ".kubeconfig", kubeconfig(files.server_url, files.ca_pem, user));
    if (user.name == "candidate-0") {
      write("wrong-ca.kubeconfig", kubeconfig(files.server_url, files.other_ca_pem, user));
    }
  }
  write("kind", "devserver\n");
  write("control", files.control_url + "\n");
  write("ready", "");
  return failed;
}

}  // namespace baton::devserver
