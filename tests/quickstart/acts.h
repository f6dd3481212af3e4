// The acts of the guided tour. Each ends one leadership in its own way and waits for the next.
#pragma once

#include <string>
#include <vector>

#include "quickstart/stage.h"

namespace baton::quickstart {

struct Row {
  std::string done;           // what was done
  std::string before;         // the token before
  std::string after;          // the token after
  std::int64_t from_ns = 0;   // when it was done, CLOCK_BOOTTIME
  std::int64_t until_ns = 0;  // when the next leader answered yes
  std::string failure;        // "" if the act went as it should
};

/// Plays all acts on a stage whose replicas run. Stops after the first that fails.
std::vector<Row> play(Stage& stage);

}  // namespace baton::quickstart
