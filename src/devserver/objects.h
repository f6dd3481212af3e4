// What the API does to the objects of one request, apart from watches: decoding, preconditions,
// finalizers, graceful deletion. On the API server's thread; never blocks.
#pragma once

#include <string>

#include "devserver/request.h"
#include "devserver/store.h"
#include "http/message.h"

namespace baton::devserver {

/// Answers list, get, create, update, patch and delete; the verb itself is authorised already.
/// `user` matters where an update creates, which needs the right to create.
http::Response answer_request(Store& store, const ApiRequest& request, const User& user,
                              const std::string& content_type, const std::string& body);

/// SelfSubjectAccessReview: answers for any verb and name.
http::Response review_access(const User& user, const std::string& body);

}  // namespace baton::devserver
