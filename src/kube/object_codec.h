// JSON of everything that is not a Lease: the claims of a token, Pods, Events, access reviews.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/cluster.h"
#include "kube/side_client.h"

namespace baton::kube {

/// The text at a JSON pointer, "" where there is none.
std::string text_at(const nlohmann::json& object, const char* pointer);

/// The payload of a JWT, unverified. Everything empty if it is none.
struct Claims {
  PodIdentity pod;
  Validity validity;
};
Claims decode_claims(std::string_view token);

/// server_date_s is left to the caller: it is in the answer's head.
Result<OwnPod> decode_pod(std::string_view json);

/// `name` is unique per Event, `now_micro` a MicroTime.
std::string encode_event(const ObjectEvent& event, const std::string& name,
                         const std::string& now_micro);

std::string encode_review(const ReviewQuestion& question);
Result<bool> decode_review(std::string_view json);

}  // namespace baton::kube
