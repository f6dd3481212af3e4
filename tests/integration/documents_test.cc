// The code blocks of README.md and docs/*.md, taken out as they stand and run against a sidecar on
// the devserver: ```sh line by line, ```python as a program. Only ports and the devserver's folder
// are replaced. A block with another tag shows something and is no command; a command that cannot
// run here has the line <!-- not run: REASON --> before it. Both are listed by the test.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/candidates.h"
#include "support/cluster.h"
#include "support/text.h"

namespace baton::test {
namespace {

using nlohmann::json;

struct Block {
  std::string place;  // file:line
  std::string tag;
  std::string not_run;  // the reason; "" if it is run
  std::vector<std::string> lines;

  bool is_run() const { return not_run.empty() && (tag == "sh" || tag == "python"); }
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::vector<Block> read_blocks(const std::filesystem::path& path) {
  const std::string marker = "<!-- not run: ";
  std::vector<Block> blocks;
  std::ifstream file(path);
  bool inside = false;
  std::string before;
  int number = 0;
  for (std::string line; std::getline(file, line); before = line) {
    const std::string place = path.filename().string() + ":" + std::to_string(++number);
    if (line.starts_with("```")) {
      inside = !inside;
      if (!inside) {
        continue;
      }
      const bool is_marked = before.starts_with(marker);
      const std::string reason = before.substr(0, before.rfind(" -->"));
      blocks.push_back({place, line.substr(3), is_marked ? reason.substr(marker.size()) : "", {}});
      EXPECT_NE(blocks.back().tag, "") << place << ": a block needs a tag: sh, python, text…";
    } else if (inside) {
      blocks.back().lines.push_back(line);
    } else {
      EXPECT_FALSE(holds(line, "curl ")) << place << ": a command outside a block is never run";
    }
  }
  EXPECT_FALSE(inside) << path << ": a block without an end";
  return blocks;
}

std::vector<Block> all_blocks() {
  const std::filesystem::path root = BATON_SOURCE_FOLDER;
  std::vector<std::filesystem::path> paths = {root / "README.md"};
  for (const auto& entry : std::filesystem::directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Block> blocks;
  for (const auto& path : paths) {
    const auto more = read_blocks(path);
    blocks.insert(blocks.end(), more.begin(), more.end());
  }
  return blocks;
}

// Two candidates, so that p0 leads again soon after each resignation. p0 listens where the
// documents say, or on free ports if another process does.
class Documents : public testing::Test {
 protected:
  static constexpr std::uint16_t kLocalPort = 4040, kProbePort = 4041;

  Documents() {
    wait_until([&] { return !sidecar().log_lines("started").empty() || !is_running(0); });
    if (!is_running(0)) {
      are_ports_taken_ = true;
      candidates_.restart(0);
    }
    std::printf("run against port %d\n", sidecar().local_port());
  }

  Baton& sidecar() { return candidates_.at(0); }
  bool is_running(int index) { return candidates_.at(index).process().running(); }

  void make_it_lead() {
    ASSERT_TRUE(wait_until([&] {
      if (candidates_.at(1).leads()) {
        candidates_.at(1).post("/resign?drained=true&wait=30s");
      }
      return sidecar().leads();
    })) << sidecar().log();
  }

  /// Longer than a document's minRemaining of 3 s, however slow this machine is for a while.
  static void change(BatonOptions& options, bool are_ports_taken) {
    options.flags = {"--lease-duration=10s", "--renew-deadline=8s",
                     "--record=" + TestCluster::get().folder() + "/" + options.pod + ".recording"};
    if (options.pod == "p0" && !are_ports_taken) {
      options.local_port = kLocalPort;
      options.probe_port = kProbePort;
    }
  }

  std::string here(std::string text) {
    const auto colon = [](std::uint16_t port) { return ":" + std::to_string(port); };
    text = replaced(text, colon(kLocalPort), colon(sidecar().local_port()));
    text = replaced(text, colon(kProbePort), colon(sidecar().probe_port()));
    return replaced(text, "/tmp/dev", TestCluster::get().folder());
  }

  std::unique_ptr<Process> start(const std::string& program, const std::string& text) {
    const std::string folder = std::filesystem::path(baton_program()).parent_path();
    const char* path = std::getenv("PATH");
    const Process::Environment environment = {
        {"PATH", folder + ":" + (path == nullptr ? "" : path)},
        {"BATON_LOCAL_ADDRESS", "127.0.0.1:" + std::to_string(sidecar().local_port())}};
    return std::make_unique<Process>(std::vector<std::string>{"/usr/bin/env", program, "-c", text},
                                     environment, make_folder("block") + "/output");
  }

  /// `prefix` sets the block's variables. Ends a stream once it has delivered an event.
  void run_line(const std::string& place, const std::string& prefix, const std::string& line,
                int status) {
    SCOPED_TRACE(place + ": " + line);
    const std::string shown = "status=" + std::to_string(status) + "\n";
    // Its own status after curl's output; `exec`, so that a signal reaches curl.
    const std::string curl =
        "curl() { exec curl \"$@\" --no-progress-meter -w '%{stderr}status=%{http_code}\\n'; }\n";
    const auto process = start("bash", curl + here(prefix + line));
    const bool is_stream = holds(line, "/leader/events");
    wait_until(
        [&] { return !process->running() || (is_stream && holds(process->output(), "\ndata: ")); });
    const std::string output = process->output();
    if (is_stream) {
      EXPECT_TRUE(process->running()) << output;
      EXPECT_TRUE(holds(output, R"("isLeader":true)")) << output;
      return;
    }
    const auto ended = process->wait();
    ASSERT_TRUE(ended.has_value()) << output;
    EXPECT_TRUE(!ended->by_signal && ended->code == 0) << output;
    if (holds(line, "curl ")) {
      EXPECT_TRUE(output.ends_with(shown)) << output;
    }
  }

  bool are_ports_taken_ = false;
  Candidates candidates_{2, [this](BatonOptions& options) { change(options, are_ports_taken_); }};
};

// What a line is answered while this Pod leads; 200 unless it is named here.
int expected_status(const std::string& line) {
  if (holds(line, R"("TERM")")) return 409;  // the word is no present term's id
  if (holds(line, "/fencing/rejections")) return 204;
  if (holds(line, "-d '{\"action\":")) return 201;  // of the devserver's control port
  return 200;
}

TEST_F(Documents, ShellLinesAreAnsweredAsTheLeader) {
  int run = 0;
  for (const Block& block : all_blocks()) {
    if (!block.is_run()) {
      std::printf("not run: %s %s %s\n", block.place.c_str(), block.tag.c_str(),
                  block.not_run.c_str());
      continue;
    }
    std::string variables;
    for (const std::string& line : block.tag == "sh" ? block.lines : std::vector<std::string>{}) {
      if (!holds(line, "curl ") && !holds(line, "baton ")) {
        variables += line + "\n";
        continue;
      }
      make_it_lead();
      run_line(block.place, variables, line, expected_status(line));
      ++run;
    }
  }
  EXPECT_GE(run, 20);
}

// Records each question and each piece of work, with CLOCK_BOOTTIME before and after. The work of
// the README's reader is a moment's wait.
constexpr const char* kRecorder = R"(
import threading, time, urllib.request

def record(*words):
    print("record", *words, flush=True)

def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

plain_urlopen = urllib.request.urlopen

def urlopen(*arguments, **options):
    global asked
    asked = now()
    try:
        answer = plain_urlopen(*arguments, **options)
        record("yes", asked, now())
        return answer
    except OSError:
        record("no", asked, now())
        raise

urllib.request.urlopen = urlopen

def do_one_piece_of_work(token):
    record("work", asked, now(), token)
    threading.Event().wait(0.02)

)";

struct Record {
  std::string what;  // "yes", "no" or "work"
  std::int64_t asked_ns = 0, at_ns = 0, token = 0;
};

std::vector<Record> records(const std::string& output) {
  std::vector<Record> list;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string mark;
    Record record;
    if (words >> mark >> record.what >> record.asked_ns >> record.at_ns && mark == "record") {
      words >> record.token;
      list.push_back(record);
    }
  }
  return list;
}

std::size_t count(const Process& process, const std::string& what, std::int64_t token = 0) {
  const auto list = records(process.output());
  return static_cast<std::size_t>(std::count_if(list.begin(), list.end(), [&](const Record& one) {
    return one.what == what && (token == 0 || one.token == token);
  }));
}

TEST_F(Documents, PythonLoopWorksOnlyWhileLeading) {
  const auto blocks = all_blocks();
  const auto loop = std::find_if(blocks.begin(), blocks.end(), [](const Block& block) {
    return block.is_run() && block.tag == "python";
  });
  ASSERT_NE(loop, blocks.end());
  std::string text = kRecorder;
  for (const std::string& line : loop->lines) {
    text += here(line) + "\n";
  }
  const auto process = start("python3", text);
  const auto more = [&](const std::string& what, std::int64_t token = 0) {
    const std::size_t before = count(*process, what, token);
    const auto has_come = [&] { return count(*process, what, token) >= before + 3; };
    EXPECT_TRUE(wait_until([&] { return has_come() || !process->running(); }) && has_come())
        << what << "\n"
        << process->output();
  };
  make_it_lead();
  const std::int64_t first = sidecar().token();
  more("work", first);
  EXPECT_EQ(sidecar().post("/resign?drained=true&wait=30s").status, 200);
  more("no");  // a standby
  make_it_lead();
  const std::int64_t second = sidecar().token();
  EXPECT_GT(second, first);
  more("work", second);
  sidecar().process().send(SIGKILL);
  sidecar().process().wait();
  more("no");  // nobody answers
  EXPECT_TRUE(process->running()) << process->output();

  // By the logs: each piece of work followed an answer that fell into a term with its token.
  std::vector<std::string> violations;
  const auto terms = read_terms({"p0", sidecar().log()}, violations);
  std::int64_t latest = 0;
  for (const Record& record : records(process->output())) {
    if (record.what != "work") {
      continue;
    }
    EXPECT_TRUE(std::any_of(terms.begin(), terms.end(),
                            [&](const Term& term) {
                              return term.token == record.token && term.from_ns <= record.at_ns &&
                                     record.asked_ns <= term.until_ns;
                            }))
        << "work with token " << record.token << ", asked at " << record.asked_ns << "\n"
        << sidecar().log();
    EXPECT_GE(record.token, latest);
    latest = record.token;
  }
}

}  // namespace
}  // namespace baton::test
