// Stories in text files: commands, and after ---- what the candidates did. Reviewed as diffs;
// BATON_REWRITE=1 in the environment writes down what happens now.
//
//   candidate NAME [KEY=VALUE]...     a process starts; keys: incarnation lock-delay replicas
//                                     announcement warm-up, silent=1 (its application never asks)
//   lease [KEY=VALUE]...              somebody creates the Lease; keys as in set
//   set KEY=VALUE...                  somebody edits it: holder duration transitions or baton/*
//   pause LENGTH                      somebody asks for a pause, which ends that much later
//   foreign HOLDER SECONDS            another elector writes its record
//   delete | save | restore REVISION  of the Lease; restore shows what was saved
//   network NAME FATE                 served, lost, lost-applied, conflict, unavailable, refused
//   tell NAME EVENT                   resign announce drained closed exited native terminate
//                                     replaced unhealthy healthy advance=N
//   kill NAME | cut-watch NAME
//   run LENGTH | until NAME leads|stops|exits
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "observe/narrative.h"
#include "support/text.h"
#include "unit/election/driver.h"

namespace baton::election::testing {
namespace {

using Words = std::vector<std::string>;

Words split(const std::string& line) {
  std::istringstream stream(line);
  Words words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

Duration length(const std::string& text) {
  const auto number = std::stol(text);
  return text.ends_with("ms") ? Duration(milliseconds(number)) : Duration(seconds(number));
}

std::pair<std::string, std::string> key_value(const std::string& word) {
  const auto at = word.find('=');
  return {word.substr(0, at), at == std::string::npos ? "" : word.substr(at + 1)};
}

class Story {
 public:
  Story() {
    world_.observer = [this](Runner& runner, const Event& event, const Step& step) {
      const auto name = [this](const std::string& id) { return term(id); };
      auto& narrator = narrators_.try_emplace(&runner, name).first->second;
      for (const std::string& line : narrator.tell(event, step, runner.status())) say(runner, line);
    };
  }

  std::string run(const std::string& command) {
    said_.clear();
    const Words words = split(command);
    perform(words);
    return said_.empty() ? "" : said_;
  }

 private:
  Runner& runner(const std::string& name) { return *runners_.at(name); }

  void perform(const Words& words) {
    const std::string& verb = words.at(0);
    if (verb == "candidate") return add(words);
    if (verb == "lease") return world_.store.create(changed({}, words, 1));
    if (verb == "set") {
      return world_.store.edit([&](Lease& lease) { lease = changed(lease, words, 1); });
    }
    if (verb == "pause") return pause(words.at(1));
    if (verb == "foreign") return world_.store.hold_as_foreign(words.at(1), std::stol(words.at(2)));
    if (verb == "delete") return world_.store.remove();
    if (verb == "save") return void(saved_ = world_.store.lease());
    if (verb == "restore") return restore(std::stol(words.at(1)));
    if (verb == "network") return set_network(runner(words.at(1)), words.at(2));
    if (verb == "tell") return tell_event(runner(words.at(1)), words.at(2));
    if (verb == "kill") return world_.kill(runner(words.at(1)));
    if (verb == "cut-watch") return world_.break_watch(runner(words.at(1)));
    if (verb == "run") return world_.run_for(length(words.at(1)));
    if (verb == "until") return until(runner(words.at(1)), words.at(2));
    FAIL() << "no such command: " << verb;
  }

  void add(const Words& words) {
    Options options = options_of(words.at(1));
    bool asks = true;
    for (std::size_t i = 2; i < words.size(); ++i) {
      const auto [key, value] = key_value(words[i]);
      if (key == "incarnation") options.incarnation = value;
      if (key == "lock-delay") options.lock_delay = length(value);
      if (key == "replicas") options.replicas = std::stoi(value);
      if (key == "announcement") options.announcement = length(value);
      if (key == "warm-up") options.warm_up_limit = length(value);
      if (key == "silent") asks = false;
    }
    Runner& added = world_.add(options);
    added.asks = asks;
    runners_[words.at(1)] = &added;
  }

  void pause(const std::string& length_of_it) {
    world_.store.edit([&](Lease& lease) {
      lease.annotations[annotation::kPauseUntil] = "in " + length_of_it;
      lease.paused_until = world_.now + length(length_of_it);
    });
  }

  static Lease changed(Lease lease, const Words& words, std::size_t from) {
    for (std::size_t i = from; i < words.size(); ++i) {
      const auto [key, value] = key_value(words[i]);
      if (key == "holder") {
        lease.holder = value;
      } else if (key == "duration") {
        lease.duration_s = std::stol(value);
      } else if (key == "transitions") {
        lease.transitions = std::stol(value);
      } else if (value.empty()) {
        lease.annotations.erase(key);
      } else {
        lease.annotations[key] = value;
      }
    }
    return lease;
  }

  // The API servers stop for the restore: every watch breaks.
  void restore(Revision revision) {
    world_.store.restore(saved_, revision);
    for (const auto& [name, runner] : runners_) world_.break_watch(*runner);
  }

  static void set_network(Runner& runner, const std::string& fate) {
    runner.is_cut_off = fate.starts_with("lost");
    runner.fate = [fate](const LeaseWrite* write) {
      if (fate == "served") return served();
      if (fate == "lost") return lost(false);
      if (fate == "lost-applied") return write != nullptr ? lost(true) : served();
      if (write == nullptr) return served();
      if (fate == "conflict") return failed(FailureKind::conflict);
      if (fate == "refused") return failed(FailureKind::refused);
      return failed(FailureKind::unavailable);
    };
  }

  void tell_event(Runner& runner, const std::string& word) {
    const auto [name, value] = key_value(word);
    if (name == "resign") runner.feed(Resign{});
    if (name == "announce") runner.feed(Announce{});
    if (name == "drained") runner.feed(WorkEnded{Proof::drained, ""});
    if (name == "closed") runner.feed(WorkEnded{Proof::connections_closed, ""});
    if (name == "exited") runner.feed(WorkEnded{Proof::process_exited, ""});
    if (name == "native") runner.feed(WorkEnded{Proof::native_termination, ""});
    if (name == "terminate") runner.feed(Terminate{});
    if (name == "replaced") runner.feed(OnlyContainerReplaced{});
    if (name == "unhealthy") runner.feed(ApplicationHealth{false, "silent"});
    if (name == "healthy") runner.feed(ApplicationHealth{true, ""});
    if (name == "advance") runner.feed(AdvanceToken{std::stol(value)});
  }

  void until(Runner& runner, const std::string& what) {
    const bool came = world_.run_until_true([&] {
      return what == "leads"   ? runner.leads()
             : what == "exits" ? runner.has_exited
                               : !runner.leads();
    });
    if (!came) said_ += "never\n";
  }

  // What is said.
  void say(const Runner& runner, const std::string& text) {
    char time[32];
    const std::chrono::duration<double> since = world_.now - kStart;
    std::snprintf(time, sizeof(time), "%8.3f ", since.count());
    said_ += time + runner.options.identity + ": " + text + "\n";
  }
  std::string term(const std::string& id) {
    if (terms_.count(id) == 0) terms_[id] = "term" + std::to_string(terms_.size() + 1);
    return terms_[id];
  }

  World world_;
  std::map<std::string, Runner*> runners_;
  std::map<std::string, std::string> terms_;
  std::map<const Runner*, observe::Narrator> narrators_;
  std::optional<Lease> saved_;
  std::string said_;
};

const std::filesystem::path kFolder = BATON_SOURCE_FOLDER "/tests/unit/election/transcripts";

// The file again, with what was said after each command.
std::string replay(const std::filesystem::path& path) {
  std::ifstream file(path);
  Story story;
  std::string result;
  bool is_output = false;
  for (std::string line; std::getline(file, line);) {
    if (line == "----") {
      is_output = true;
      continue;
    }
    if (line.empty()) is_output = false;
    if (is_output) continue;
    result += line + "\n";
    if (line.empty() || line[0] == '#') continue;
    const std::string said = story.run(line);
    if (!said.empty()) result += "----\n" + said;
  }
  return result;
}

class Transcript : public ::testing::TestWithParam<std::string> {};

TEST_P(Transcript, HappensAsWritten) {
  const auto path = kFolder / (GetParam() + ".txt");
  const std::string now = replay(path);
  if (std::getenv("BATON_REWRITE") != nullptr) std::ofstream(path) << now;
  EXPECT_EQ(test::text_of(path), now) << "reviewed and right? BATON_REWRITE=1 writes it down";
}

std::vector<std::string> names() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    found.push_back(entry.path().stem().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

INSTANTIATE_TEST_SUITE_P(Stories, Transcript, ::testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace baton::election::testing
