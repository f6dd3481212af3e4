// The reader for C and C++, as tests/clients/page/run wants it.
#include "../../../clients/c/baton_page.h"

#include <stdio.h>
#include <stdlib.h>

static int is_whole(const struct baton_leadership* term) {
  char term_id[64];
  snprintf(term_id, sizeof term_id, "term-%llu", (unsigned long long)term->token);
  return strcmp(term_id, term->term_id) == 0 && term->change == term->token &&
         (uint64_t)term->deadline_ns == UINT64_C(1000000000000000000) + term->token;
}

static int stress(const char* path, int changes) {
  struct baton_page page = BATON_PAGE(path);
  struct baton_leadership term;
  unsigned long long reads = 0, torn = 0;
  uint64_t last = 0;
  while (changes > 0) {
    if (!baton_leads(&page, &term)) continue;
    ++reads;
    torn += !is_whole(&term) || term.token < last;
    changes -= term.token != last;
    last = term.token;
  }
  printf("%llu %llu\n", reads, torn);
  return 0;
}

int main(int count, char** words) {
  if (count == 4 && strcmp(words[1], "--stress") == 0) return stress(words[2], atoi(words[3]));
  for (int i = 1; i < count; ++i) {
    struct baton_page page = BATON_PAGE(words[i]);
    struct baton_leadership term;
    if (baton_leads(&page, &term) && term.remaining_ns > 0) {
      printf("yes %llu %s %llu %llu %llu %lld\n", (unsigned long long)term.token, term.term_id,
             (unsigned long long)term.state, (unsigned long long)term.run,
             (unsigned long long)term.change, (long long)term.deadline_ns);
    } else {
      puts("no");
    }
  }
  return 0;
}
