// What the commands read of a sidecar's answers: status documents, event streams, and how long a
// child of `baton exec` may work by them.
#include "base/text.h"
#include "cli/leash.h"
#include "election/lease.h"
#include "fuzz/target.h"

namespace baton::fuzz {
namespace {

constexpr Instant kNow{std::chrono::hours(1)};

void check(const Result<cli::Document>& document) {
  if (!document.ok()) return require_one_line(document.error());
  if (!document->leads(kNow)) return;
  require(document->deadline > kNow && !document->term_id.empty(), "a yes is complete");
  require(parse_integer(document->fencing_token, 1, election::kMaxToken).has_value(),
          "an accepted token is in 1..10^18-1");
  const cli::Leash leash(*document, kNow);
  for (Instant at = kNow; leash.next_change(at) != kNever; at = leash.next_change(at)) {
    require(leash.next_change(at) > at, "a leash that changes changes later");
    require(leash.order(document->deadline) == cli::Leash::Order::kill,
            "no child outlives the deadline");
  }
}

}  // namespace

BATON_FUZZ_TARGET(cli_document) {
  check(cli::parse_document(input));
  cli::EventLines events;
  std::optional<cli::Leash> leash;
  for (Choices lines(input); !lines.empty();) {
    const auto data = events.feed(lines.line());
    if (!data) continue;
    const auto document = cli::parse_document(*data);
    check(document);
    if (document.ok() && leash) leash->see(*document, kNow);
    if (document.ok() && !leash && document->leads(kNow)) leash.emplace(*document, kNow);
  }
}

}  // namespace baton::fuzz
