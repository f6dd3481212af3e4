#include "bench/candidate.h"

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "base/result.h"
#include "http/wire.h"
#include "kube/lease_codec.h"

namespace baton::bench {
namespace {

using namespace election;  // NOLINT(google-build-using-namespace): events and actions
using nlohmann::json;

constexpr const char* kNamespace = "shop";
constexpr const char* kName = "billing";
constexpr const char* kWallTime = "2030-01-01T00:00:00.000000Z";

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  std::exit(1);
}

template <typename T>
T need(Result<T> result) {
  if (!result) give_up(result.error());
  return std::move(*result);
}

Options options(const std::string& pod) {
  Options options;
  options.identity = pod + "_0b1f6a52_0123456789abcdef";
  options.incarnation = "0b1f6a52-9a0f-4a51-8f7e-3a4ce2b1d001/boot/4026531840";
  options.timings = {std::chrono::seconds(15),       std::chrono::seconds(12),
                     std::chrono::seconds(5),        std::chrono::seconds(2),
                     std::chrono::milliseconds(250), std::chrono::milliseconds(450)};
  return options;
}

/// What a real API server keeps of each field's writer.
json managed_fields() {
  return json::array({{{"manager", "baton"},
                       {"operation", "Update"},
                       {"apiVersion", "coordination.k8s.io/v1"},
                       {"time", "2030-01-01T00:00:00Z"},
                       {"fieldsType", "FieldsV1"},
                       {"fieldsV1", json::parse(R"({"f:metadata": {"f:annotations": {".": {},
                          "f:baton/attempt": {}, "f:baton/duration": {}, "f:baton/fencing-token": {},
                          "f:baton/format": {}, "f:baton/holder": {}, "f:baton/incarnation": {},
                          "f:baton/term": {}}}, "f:spec": {"f:acquireTime": {},
                          "f:holderIdentity": {}, "f:leaseDurationSeconds": {},
                          "f:leaseTransitions": {}, "f:renewTime": {}}})")}}});
}

std::string reply_of(std::string body) {
  http::Response response{
      200,
      {{"Audit-Id", "6b1d2a9e-0d42-4a5e-9a6a-3f4a1c7f2b11"},
       {"Cache-Control", "no-cache, private"},
       {"Content-Type", "application/json"},
       {"X-Kubernetes-Pf-Flowschema-Uid", "9f2b1e52-0d42-4a5e-9a6a-3f4a1c7f2b12"},
       {"X-Kubernetes-Pf-Prioritylevel-Uid", "1c7f2b13-0d42-4a5e-9a6a-3f4a2b11"}},
      std::move(body)};
  std::string bytes;
  http::append_reply(response, {}, bytes);
  return bytes;
}

std::string request_of(const std::string& method, const std::string& rest, std::string body) {
  http::Request request{
      method,
      std::string("/apis/coordination.k8s.io/v1/namespaces/") + kNamespace + "/leases" + rest,
      {{"Accept", "application/json"},
       {"User-Agent", "baton/" BATON_VERSION},
       {"Authorization", "Bearer " + std::string(900, 't')}},
      std::move(body)};
  return need(http::format_request(request, "10.96.0.1:443"));
}

}  // namespace

std::string Server::answer(const std::string& request) {
  if (request.starts_with("GET")) {
    json list{{"kind", "LeaseList"},
              {"apiVersion", "coordination.k8s.io/v1"},
              {"metadata", {{"resourceVersion", std::to_string(revision_)}}},
              {"items", json::array()}};
    if (!lease_.empty()) list["items"].push_back(json::parse(lease_));
    return reply_of(list.dump());
  }
  json lease = json::parse(request.substr(request.find("\r\n\r\n") + 4));
  json& metadata = lease["metadata"];
  metadata["uid"] = "0b1f6a52-9a0f-4a51-8f7e-3a4ce2b1d0aa";
  metadata["creationTimestamp"] = "2030-01-01T00:00:00Z";
  metadata["resourceVersion"] = std::to_string(++revision_);
  static const json* const managed = new json(managed_fields());
  metadata["managedFields"] = *managed;
  lease_ = lease.dump();
  return reply_of(lease_);
}

std::string Server::event() const {
  std::string chunk;
  http::append_chunk("{\"type\":\"MODIFIED\",\"object\":" + lease_ + "}\n", chunk);
  return chunk;
}

Candidate::Candidate(const std::string& pod) : election_(options(pod), kLongAgo) {}

std::string Candidate::wake(Instant now) { return step(Tick{}, now); }

std::string Candidate::answered(std::string_view reply, Instant now) {
  if (const auto failure = answer_.feed(reply); failure || !answer_.is_done()) {
    give_up("the answer cannot be read: " + failure.what);
  }
  const std::string body = answer_.take_body();
  if (is_write_) return step(Written{request_, need(kube::decode_lease(body))}, now);
  auto list = need(kube::decode_lease_list(body, kName));
  return step(Listed{request_, list.revision, std::move(list.lease)}, now);
}

std::string Candidate::watched(std::string_view chunk, Instant now) {
  http::Failure failure = watch_answer_.feed(chunk);
  const auto line = watch_answer_.take_line(failure);
  if (failure || !line) give_up("the watch cannot be read: " + failure.what);
  kube::WatchLine decoded = kube::decode_watch_line(*line);
  if (!decoded.event) give_up(decoded.failure.what);
  decoded.event->id = watch_;
  return step(std::move(*decoded.event), now);
}

std::string Candidate::step(const Event& event, Instant now) {
  const Step step = election_.step(event, now, kLongAgo);
  wake_at_ = step.wake_at;
  board_->publish(election_.status());
  std::string request;
  for (const Action& action : step.actions) {
    if (const auto* list = std::get_if<SendList>(&action)) {
      request_ = list->id;
      is_write_ = false;
      request = request_of("GET", std::string("?fieldSelector=metadata.name%3D") + kName, "");
    } else if (const auto* put = std::get_if<SendWrite>(&action)) {
      request_ = put->id;
      is_write_ = true;
      request = request_of("PUT", std::string("/") + kName + "?fieldManager=baton&timeout=2s",
                           kube::encode_write(put->write, kNamespace, kName, kWallTime));
    } else if (const auto* watch = std::get_if<StartWatch>(&action)) {
      watch_ = watch->id;
      watch_answer_.expect(false);
      watch_answer_.feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
  }
  if (!request.empty()) answer_.expect(false);
  return request;
}

void take_turn(Candidate& candidate, Server& server, Instant now) {
  std::string request = candidate.wake(now);
  while (!request.empty()) request = candidate.answered(server.answer(request), now);
}

Term::Term() {
  const auto leads = [this] { return leader_.board()->read().leads(now_); };
  for (int turns = 0; !leads(); ++turns) {
    if (turns == 10) give_up("no term has begun in " + std::to_string(turns) + " turns");
    take_turn(leader_, server_, now_);
    if (!leads()) now_ = std::max(now_, leader_.wake_at());
  }
  take_turn(follower_, server_, now_);
}

std::string Term::ask() {
  now_ = std::max(now_, leader_.wake_at());
  return leader_.wake(now_);
}

void Term::answered(const std::string& reply) {
  now_ += std::chrono::milliseconds(2);
  leader_.answered(reply, now_);
}

void Term::leader_watched(const std::string& event) { leader_.watched(event, now_); }

void Term::follower_watched(const std::string& event) { follower_.watched(event, now_); }

}  // namespace baton::bench
