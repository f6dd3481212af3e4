// baton-judge LOG...: prints the terms in the logs of the baton processes of one host; exit 1 if
// two led at once or tokens did not rise.
#include <cstdio>
#include <fstream>
#include <sstream>

#include "support/belief_log.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: baton-judge LOG...\n");
    return 2;
  }
  std::vector<baton::test::NamedLog> logs;
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i]);
    if (!file) {
      std::fprintf(stderr, "baton-judge: cannot read %s\n", argv[i]);
      return 2;
    }
    std::ostringstream text;
    text << file.rdbuf();
    logs.push_back({argv[i], text.str()});
  }
  const auto verdict = baton::test::judge(logs);
  std::fputs(verdict.text().c_str(), stdout);
  return verdict.violations.empty() ? 0 : 1;
}
