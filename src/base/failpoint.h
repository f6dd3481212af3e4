// Places at which a test kills, stops or delays the process. Only the program baton-failpoints,
// which the tests build with BATON_FAILPOINTS, has them; in any other they are nothing at all.
#pragma once

namespace baton {

enum class Failpoint {
  write_before_send,  // of each PUT of the Lease, releases included
  write_sent,         // its last byte is with the kernel, nothing of the answer is read
  write_answered,     // the answer is read, nothing has been made of it
  release_before_send,
  release_answered,
  belief_before_publish,  // the core believes, what is asked is still answered as before
  belief_published,       // nothing has been logged or sent on
  belief_before_log,
  belief_logged,
  proof_before_post,   // the work's end is known, the election has not been told
  page_half_written,   // the status page has its new deadline and the old term
  fence_before_write,  // of a higher token; nothing of it is on the disk
  fence_written,       // to the file beside
  fence_renamed,
  fence_recorded,
  fence_before_forward,
  fence_forwarded,  // the service has answered, its client has not been
};

#ifdef BATON_FAILPOINTS
void failpoint(Failpoint point);
#else
inline void failpoint(Failpoint) {}
#endif

}  // namespace baton
