// What the API does to the objects of one request, apart from watches: decoding, preconditions,
// finalizers, graceful deletion. On the API server's thread; never blocks.
#pragma once

#include <functional>

#include "devserver/request.h"
#include "devserver/store.h"
#include "http/message.h"

namespace baton::devserver {

class Objects {
 public:
  explicit Objects(Store& store) : store_(store) {}

  /// Answers list, get, create, update, patch and delete; the verb itself is authorised already.
  /// `user` matters where an update creates, which needs the right to create.
  http::Response answer(const ApiRequest& request, const User& user, const std::string& body);

 private:
  http::Response list(const ApiRequest& request);
  http::Response get(const ApiRequest& request);
  http::Response create(const ApiRequest& request, nlohmann::json object);
  http::Response update(const ApiRequest& request, const User& user, nlohmann::json object);
  http::Response remove(const ApiRequest& request, const nlohmann::json& options);
  http::Response patch(const ApiRequest& request, const User& user, const nlohmann::json& body);
  http::Response outcome(const ApiRequest& request, const Stored& stored, const std::string& uid);

  Store& store_;
};

/// SelfSubjectAccessReview: answers for any verb and name.
http::Response review_access(const User& user, const std::string& body);

}  // namespace baton::devserver
