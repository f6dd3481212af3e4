// `baton run`: wires the rooms together for one election and waits for the end.
#pragma once

#include "config/settings.h"

namespace baton::runtime {

/// Runs until SIGTERM or SIGINT has been carried out. Returns the exit code: 0 after an orderly
/// end, 2 if the settings cannot work here (one line on standard error says why).
int run(const config::Settings& settings);

}  // namespace baton::runtime
