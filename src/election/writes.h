// What each kind of write puts into the Lease (R5, R7, R9, R12). Annotations of the base that the
// rules do not name are copied.
#pragma once

#include <string>

#include "election/memory.h"
#include "election/options.h"
#include "election/term.h"

namespace baton::election {

/// R7: the token of an acquisition that rests on memory.newest; 0 if the tokens are used up.
Token next_token(const Memory& memory, Token floor);

/// R5: unheld, without the mark, carrying the highest token known; to be waited out for D or, if
/// that is longer, for what is still `owed` of R4's debt, which whoever comes later has not seen.
LeaseWrite creation(const Options& options, Token highest, Duration owed,
                    const std::string& attempt_id);
LeaseWrite acquisition(const Options& options, const Lease& base, const Attempt& attempt);
LeaseWrite renewal(const Options& options, const Lease& base, const Attempt& attempt,
                   bool is_draining);
/// R12. Without the mark the next term waits as if the holder had vanished.
LeaseWrite release(const Lease& base, const Attempt& attempt, bool with_mark);

}  // namespace baton::election
