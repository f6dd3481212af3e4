#include "support/api.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kube/cluster.h"
#include "support/cluster.h"
#include "support/process.h"

namespace baton::test {

using nlohmann::json;

namespace {

constexpr std::chrono::seconds kRequestBound{30};

Answer to_answer(http::Reply reply) {
  Answer answer;
  answer.reused_connection = reply.reused_connection;
  if (reply.kind != http::IoKind::ok) {
    answer.what = reply.what;
    return answer;
  }
  answer.status = reply.response.status;
  answer.headers = std::move(reply.response.headers);
  answer.body = std::move(reply.response.body);
  answer.what = std::to_string(answer.status) + " " + answer.body;
  return answer;
}

}  // namespace

json Answer::json() const { return json::parse(body, nullptr, false); }

LocalClient::LocalClient(std::uint16_t port)
    : connection_(http::Connection::make({"127.0.0.1", port, ""}, nullptr)) {}

LocalClient::~LocalClient() = default;

bool LocalClient::connected() const { return connection_->connected(); }

Answer LocalClient::request(const std::string& method, const std::string& target,
                            const std::string& body, std::chrono::nanoseconds bound) {
  http::Request request{method, target, {}, body};
  if (method != "GET") {
    request.headers = {{"Baton-Control", "1"}, {"Content-Type", "application/json"}};
  }
  return to_answer(connection_->exchange(request, boot_now() + bound));
}

Api::Api(const std::string& user) : Api(Path{TestCluster::get().kubeconfig(user)}) {}

Api::Api(const Path& path) {
  auto cluster = kube::from_kubeconfig(path.kubeconfig, "");
  if (!cluster) {
    ADD_FAILURE() << cluster.error();
    std::abort();
  }
  credentials_ = std::make_shared<kube::Credentials>(std::move(cluster).value());
  connection_ = connect();
}

Api::~Api() = default;

std::unique_ptr<http::Connection> Api::connect() {
  auto tls = credentials_->tls();
  EXPECT_TRUE(tls.ok());
  return http::Connection::make(credentials_->cluster().endpoint, std::move(tls).value());
}

http::Request Api::make_request(const std::string& method, const std::string& target,
                                const std::string& body) {
  return {method, target, {{"Authorization", "Bearer " + credentials_->bearer()}}, body};
}

Answer Api::request(const std::string& method, const std::string& target, const std::string& body,
                    const std::string& content_type) {
  http::Request request = make_request(method, target, body);
  if (!body.empty()) {
    request.headers.emplace_back("Content-Type",
                                 content_type.empty() ? "application/json" : content_type);
  }
  return to_answer(connection_->exchange(request, boot_now() + kRequestBound));
}

Answer Api::post(const std::string& target, const json& body) {
  return request("POST", target, body.dump());
}

Answer Api::put(const std::string& target, const json& body) {
  return request("PUT", target, body.dump());
}

Answer Api::patch(const std::string& target, const json& merge_patch) {
  return request("PATCH", target, merge_patch.dump(), "application/merge-patch+json");
}

std::string Api::make_pod(const std::string& name, const std::string& service_account) {
  const json pod = {{"apiVersion", "v1"},
                    {"kind", "Pod"},
                    {"metadata", {{"name", name}}},
                    {"spec",
                     {{"serviceAccountName", service_account},
                      {"nodeName", "node0"},
                      {"terminationGracePeriodSeconds", 30},
                      {"containers", {{{"name", "app"}, {"image", "none"}}}}}}};
  const Answer made = post(kPods, pod);
  EXPECT_EQ(made.status, 201) << made.what << made.body;
  return made.status == 201 ? made.json()["metadata"]["uid"] : "";
}

std::vector<json> Api::watch(const std::string& target,
                             const std::function<bool(const json&)>& enough,
                             const std::function<void()>& started) {
  const auto connection = connect();
  const Instant bound = boot_now() + kBound;
  const auto head = connection->open_stream(make_request("GET", target, ""), bound);
  std::vector<json> lines;
  if (head.kind != http::IoKind::ok || head.response.status != 200) {
    ADD_FAILURE() << target << ": " << head.what << " " << head.response.body;
    return lines;
  }
  if (started) {
    started();
  }
  std::string error;
  while (const auto line = connection->next_line(bound, error)) {
    if (line->empty()) {
      continue;
    }
    lines.push_back(json::parse(*line, nullptr, false));
    if (enough(lines.back())) {
      return lines;
    }
  }
  EXPECT_EQ(error, "") << target;
  return lines;
}

json lease_body(const std::string& name, const json& spec) {
  return {{"apiVersion", "coordination.k8s.io/v1"},
          {"kind", "Lease"},
          {"metadata", {{"name", name}, {"namespace", "baton-test"}}},
          {"spec", spec}};
}

std::int64_t version_of(const json& object) {
  if (!object.is_object() || !object.contains("metadata")) {
    return 0;
  }
  return std::strtoll(object["metadata"].value("resourceVersion", "0").c_str(), nullptr, 10);
}

}  // namespace baton::test
