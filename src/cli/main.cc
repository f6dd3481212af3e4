// Wires the process to the commands.
#include <iostream>

#include "cli/commands.h"
#include "runtime/run.h"

int main(int argc, char** argv) {
  baton::cli::Shell shell{std::cout, std::cerr, baton::config::baton_environment(),
                          baton::runtime::run};
  return baton::cli::dispatch({argv + (argc > 0 ? 1 : 0), argv + argc}, shell);
}
