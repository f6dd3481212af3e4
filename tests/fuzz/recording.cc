// A recording of an election as somebody may have written it, its checksums recomputed: `baton
// replay` tells it, draws it, or says in one line why not.
#include <sstream>

#include "base/text.h"
#include "cli/commands.h"
#include "fuzz/folder.h"
#include "fuzz/target.h"
#include "unit/observe/with_sums.h"

namespace baton::fuzz {

BATON_FUZZ_TARGET(recording) {
  static const Folder folder;
  const std::string path =
      folder.write("recording", observe::testing::with_sums(std::string(input)));
  for (const bool draws : {false, true}) {
    std::vector<std::string> words = {"replay", path};
    if (draws) words = {"replay", "--svg", folder.path() + "/out.svg", path};
    std::ostringstream out, err;
    cli::Shell shell{out, err, {}};
    const int code = cli::dispatch(words, shell);
    require((code == 0) == err.str().empty(), "an error is told, and nothing else is");
    if (code != 0) require_one_line(err.str().substr(0, err.str().size() - 1));
    require(is_utf8(out.str()), "what is printed is text");
  }
}

}  // namespace baton::fuzz
