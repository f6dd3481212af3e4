#include "support/candidates.h"

#include <gtest/gtest.h>

#include "support/cluster.h"

namespace baton::test {

Candidates::Candidates(int count, const std::function<void(BatonOptions&)>& change)
    : election_(TestCluster::get().new_election()), change_(change) {
  for (int i = 0; i < count; ++i) {
    batons_.push_back(std::make_unique<Baton>(options(i)));
  }
}

Candidates::~Candidates() { judge(); }

BatonOptions Candidates::options(int index) const {
  BatonOptions options{.election = election_,
                       .user = "candidate-" + std::to_string(index),
                       .pod = "p" + std::to_string(index)};
  if (change_) {
    change_(options);
  }
  return options;
}

int Candidates::wait_for_leader(int not_this) {
  int leader = -1;
  wait_until([&] {
    for (int i = 0; i < count() && leader < 0; ++i) {
      if (i != not_this && at(i).leads()) {
        leader = i;
      }
    }
    return leader >= 0;
  });
  if (leader < 0) {
    ADD_FAILURE() << "nobody leads " << election_;
    for (const auto& baton : batons_) {
      ADD_FAILURE() << baton->name() << " says " << baton->get("/leader").what << "\n"
                    << baton->log();
    }
  }
  return leader;
}

void Candidates::restart(int index) {
  auto& baton = batons_[static_cast<std::size_t>(index)];
  const std::string pod = baton->name();
  baton->process().send(SIGKILL);
  baton->process().wait();
  old_logs_.push_back({pod + " before", baton->log()});
  baton = std::make_unique<Baton>(options(index));
}

std::vector<NamedLog> Candidates::logs() const {
  std::vector<NamedLog> logs = old_logs_;
  for (const auto& baton : batons_) {
    logs.push_back(baton->named_log());
  }
  return logs;
}

std::size_t Candidates::judge() {
  const Verdict verdict = test::judge(logs());
  EXPECT_TRUE(verdict.violations.empty()) << verdict.text();
  return verdict.terms.size();
}

}  // namespace baton::test
