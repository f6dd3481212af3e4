// The client's reading of an answer, whole and in pieces: heads, bodies, and streams by the line.
#include "fuzz/target.h"
#include "http/answer.h"
#include "kube/formats.h"

namespace baton::fuzz {
namespace {

constexpr http::ClientLimits kClientLimits{
    .header_bytes = 1024, .body_bytes = 512, .line_bytes = 64};

struct Outcome {
  http::IoKind kind = http::IoKind::ok;
  bool is_done = false;
  http::Response response;
  std::vector<std::string> lines;
};

Outcome read(std::string_view bytes, std::size_t piece, bool head_only, bool by_line) {
  http::Answer answer("peer", kClientLimits);
  answer.expect(head_only);
  Outcome outcome;
  http::Failure failure;
  for (; !bytes.empty() && !failure && !answer.is_done();
       bytes.remove_prefix(std::min(piece, bytes.size()))) {
    failure = answer.feed(bytes.substr(0, piece));
    while (by_line && !failure && answer.is_head_done()) {
      auto line = answer.take_line(failure);
      if (!line) break;
      require(line->find('\n') == std::string::npos, "a line has no newline in it");
      require(line->size() <= kClientLimits.line_bytes, "no line is longer than the limit");
      outcome.lines.push_back(std::move(*line));
    }
  }
  if (!failure && !answer.is_done()) failure = answer.feed_end();
  if (failure) require_one_line(failure.what);
  outcome.kind = failure.kind;
  outcome.is_done = answer.is_done();
  if (failure) return outcome;
  outcome.response = answer.take_head();
  outcome.response.body = answer.take_body();
  require(outcome.response.status >= 100 && outcome.response.status <= 999,
          "a status has three digits");
  require(by_line || outcome.response.body.size() <= kClientLimits.body_bytes,
          "no body is larger than the limit");
  kube::parse_http_date(http::header(outcome.response.headers, "Date"));
  return outcome;
}

}  // namespace

BATON_FUZZ_TARGET(http_answer) {
  Choices choices(input);
  const bool head_only = choices.pick(4) == 1;
  const std::size_t piece = 1 + choices.pick(64);
  const Outcome whole = read(choices.rest(), choices.rest().size() + 1, head_only, false);
  const Outcome pieces = read(choices.rest(), piece, head_only, false);
  require(whole.is_done == pieces.is_done, "an answer ends the same in one piece and in many");
  if (whole.is_done && whole.kind == http::IoKind::ok && pieces.kind == http::IoKind::ok) {
    require(whole.response.status == pieces.response.status &&
                whole.response.headers == pieces.response.headers &&
                whole.response.body == pieces.response.body,
            "an answer reads the same in one piece and in many");
  }
  read(choices.rest(), piece, head_only, true);
}

}  // namespace baton::fuzz
