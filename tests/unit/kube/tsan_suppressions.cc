// Debian's libcpprest is built without ThreadSanitizer, which so misses half of the reference
// counting of a request that is canceled at its deadline. Nothing of ours is in these frames.
extern "C" const char* __tsan_default_suppressions();   // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __tsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
  return "race:pplx::details::_CancellationTokenCallback\n"
         "race:pplx::details::_RefCounter\n"
         "race:web::http::client::details::asio_context::~asio_context\n";
}
