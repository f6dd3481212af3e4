/* Is every fencing token the token of one term only, and above all before it? No clocks.
 *
 * Modelled: one Lease in a revisioned store; two candidates that decide on what a cache shows them,
 * however old; requests that are applied in any order or never (two of candidate 0, one of candidate
 * 1); deletion and re-creation with another uid; a foreign elector that keeps or drops annotations;
 * restarts that forget; a restore of the store; a token advanced by hand; the guard of design
 * section 8.
 * Not modelled: time (time.pml): who waits how long, so any candidate may acquire at any moment,
 * which allows more than the rules do.
 * Units: revisions. MAX_WRITES and MAX_ATTEMPTS bound a run.
 *
 * Held to: an acquisition that is applied carries a token above every one applied before; no token
 * belongs to two terms; a renewal never lowers it; who takes himself for the leader has the token
 * that his attempt was given; no token is above the store's revision unless somebody raised it or a
 * restore lowered the revision. Each WEAK_… flag takes one rule away, named where it is used. */

#ifndef MAX_WRITES
#define MAX_WRITES 5
#endif
#ifndef MAX_ATTEMPTS
#define MAX_ATTEMPTS 4
#endif
#ifndef DELETIONS
#define DELETIONS 0
#endif
#ifndef FOREIGN
#define FOREIGN 0     /* 1: a foreign elector takes the Lease at will */
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#ifndef RESTORE
#define RESTORE 0     /* 1: the revision goes back too, 2: it is bumped */
#endif
#ifndef ADVANCES
#define ADVANCES 0    /* of the token, by 10, above the store's revision */
#endif
#ifndef GUARD
#define GUARD 0       /* 1: no UPDATE lowers or drops a token; 2: and no DELETE of a Lease with one */
#endif
#define BUMP 20
#define FOREIGN_HOLDER 9
#define LARGER(a, b) ((a) > (b) -> (a) : (b))

/* The store, and the record in it. `term` stands for baton/term: the attempt that acquired. */
byte revision = 1, writes = 0, uids = 0, attempts = 0;
byte deletions = 0, restarts = 0, advances = 0, restores = 0;
bool exists = 0;
byte uid = 0, version = 0, holder = 0, term = 0, token = 0, transitions = 0;

/* What the cache shows (watch, LIST): an earlier record, and the revision it was current at. */
bool shown_exists = 0;
byte shown_uid = 0, shown_version = 0, shown_holder = 0, shown_term = 0, shown_token = 0;
byte shown_transitions = 0, shown_as_of = 1;

/* The backup that a restore brings back. */
bool has_backup = 0, backup_exists = 0;
byte backup_uid = 0, backup_version = 0, backup_holder = 0, backup_term = 0, backup_token = 0;
byte backup_transitions = 0, backup_revision = 0;

/* For the assertions: who was given which token, the last one, and which attempts are dead (R8). */
byte last_token = 0, last_attempt = 0;
byte owner[64];
bool dead[24];

/* Requests in the network: 0 and 1 of candidate 0, 2 of candidate 1. */
#define ACQUIRE 1
#define RENEW 2
#define RELEASE 3
byte kind[3], sent_uid[3], sent_version[3], sent_token[3], sent_term[3], sent_transitions[3];

/* What candidate i knows: memory_, and the term or attempt it has. */
bool known[2], known_exists[2];
byte known_uid[2], known_version[2], known_holder[2], known_term[2], known_token[2];
byte known_transitions[2], as_of[2];
byte seen[2];          /* the highest token seen by this process, */
byte sent[2], sent_over_uid[2], sent_over_version[2]; /* and the highest sent, over which version */
byte own_term[2];      /* the newest attempt; 0 none */
byte own_token[2];     /* as begin_term() took it; 0: no term */

inline refresh_cache() {
  shown_exists = exists; shown_uid = uid; shown_version = version; shown_holder = holder;
  shown_term = term; shown_token = token; shown_transitions = transitions; shown_as_of = revision
}
inline forget(i) {
  known[i] = 0; known_exists[i] = 0; known_uid[i] = 0; known_version[i] = 0; known_holder[i] = 0;
  known_term[i] = 0; known_token[i] = 0; known_transitions[i] = 0; as_of[i] = 0
}
inline drop(slot) {
  kind[slot] = 0; sent_uid[slot] = 0; sent_version[slot] = 0; sent_token[slot] = 0;
  sent_term[slot] = 0; sent_transitions[slot] = 0
}
/* R1: compare and swap. Without the uid a PUT re-creates a Lease that was deleted. */
#ifdef WEAK_NO_UID
#define IS_CURRENT(slot) (!exists || sent_version[slot] == version)
#else
#define IS_CURRENT(slot) (exists && sent_version[slot] == version && sent_uid[slot] == uid)
#endif
#ifdef WEAK_NO_UID
#define CAN_STILL_APPLY(slot) true
#else
#define CAN_STILL_APPLY(slot) IS_CURRENT(slot)
#endif

/* A request that can only fail is gone at once, and so is what comes after the last write. */
inline drop_hopeless(slot) {
  if
  :: kind[slot] != 0 && (writes == MAX_WRITES || !CAN_STILL_APPLY(slot)) -> drop(slot)
  :: else
  fi
}
inline new_revision() {
  revision++; writes++;
  if
  :: exists -> version = revision
  :: else
  fi;
  drop_hopeless(0); drop_hopeless(1); drop_hopeless(2)
}
inline free_slot(i, slot) {
  slot = 2 * i;
  if
  :: i == 0 && kind[0] != 0 -> slot = 1
  :: else
  fi
}

/* R7: next_token(). Attempts over one version exclude each other, so they may carry one token. */
#ifdef WEAK_SENT_PLUS_ONE
#define IS_OVER_THE_SAME(i) false
#else
#define IS_OVER_THE_SAME(i) \
  (known_uid[i] == sent_over_uid[i] && known_version[i] == sent_over_version[i])
#endif
inline next_token(i, out) {
#ifdef WEAK_TRANSITIONS_AS_TOKEN
  out = known_transitions[i] + 1;
#else
#ifdef WEAK_ANNOTATION_ONLY
  out = known_token[i] + 1;
#else
#ifdef WEAK_VERSION_ONLY
  out = known_version[i];
#else
#ifdef WEAK_OBJECTS_OWN_VERSION
  out = LARGER(known_version[i], known_token[i] + 1);
#else
  out = LARGER(as_of[i], known_token[i] + 1);
#endif
  out = LARGER(out, seen[i] + 1);
  out = LARGER(out, sent[i] + (IS_OVER_THE_SAME(i) -> 0 : 1));
#endif
#endif
#endif
  if
  :: advances < ADVANCES -> advances++; out = out + 10
  :: true
  fi
}

#define SHOWS_OWN_TERM(i) \
  (known[i] && known_exists[i] && known_holder[i] == i + 1 && known_term[i] == own_term[i] && \
   own_term[i] != 0 && !dead[own_term[i]])
#ifdef WEAK_TERM_ID_OF_THE_PROCESS
#define KEEPS_ITS_TERM_ID(i) (own_term[i] != 0)    /* R8 */
#else
#define KEEPS_ITS_TERM_ID(i) false
#endif
#ifdef WEAK_NO_MEMORY
#define REMEMBERED(i, value) 0
#else
#define REMEMBERED(i, value) LARGER(seen[i], value)
#endif

proctype candidate(byte i) {
  byte next = 0, slot = 0;
  do
  :: atomic { !known[i] ->
       known[i] = 1; known_exists[i] = shown_exists; known_uid[i] = shown_uid;
       known_version[i] = shown_version; known_holder[i] = shown_holder;
       known_term[i] = shown_term; known_token[i] = shown_token;
       known_transitions[i] = shown_transitions; as_of[i] = shown_as_of;
       seen[i] = REMEMBERED(i, shown_token) }
  :: atomic { known[i] -> forget(i) }
  /* R5: unheld, with the highest token known. */
  :: atomic { known[i] && !known_exists[i] && writes < MAX_WRITES ->
       if
       :: !exists ->
          uids++; exists = 1; uid = uids; holder = 0; term = 0; token = LARGER(seen[i], sent[i]);
          transitions = 0;
          new_revision()
       :: else
       fi;
       forget(i) }
  :: atomic { known[i] && known_exists[i] && !SHOWS_OWN_TERM(i) && writes < MAX_WRITES ->
       free_slot(i, slot);
       if
       :: kind[slot] == 0 && (attempts < MAX_ATTEMPTS || KEEPS_ITS_TERM_ID(i)) ->
          next_token(i, next);
          if
          :: KEEPS_ITS_TERM_ID(i)
          :: else -> attempts++; own_term[i] = attempts; own_token[i] = 0       /* R8 */
          fi;
          sent[i] = REMEMBERED(i, next);
          sent_over_uid[i] = known_uid[i]; sent_over_version[i] = known_version[i];
          kind[slot] = ACQUIRE; sent_uid[slot] = known_uid[i];
          sent_version[slot] = known_version[i]; sent_token[slot] = next;
          sent_term[slot] = own_term[i]; sent_transitions[slot] = known_transitions[i] + 1
       :: else
       fi;
       forget(i); next = 0; slot = 0 }
  /* settle(): the record shows the own attempt, so its term begins with the token shown. */
  :: atomic { SHOWS_OWN_TERM(i) && own_token[i] != known_token[i] &&
              !(KEEPS_ITS_TERM_ID(i) && own_token[i] != 0) ->
       own_token[i] = known_token[i]; assert(owner[own_token[i]] == own_term[i]) }
  /* R9, R12: conditioned on the version that shows the own term, keeping or releasing it. */
  :: atomic { SHOWS_OWN_TERM(i) && own_token[i] != 0 && writes < MAX_WRITES ->
       free_slot(i, slot);
       if
       :: kind[slot] == 0 ->
          if
          :: kind[slot] = RENEW
          :: kind[slot] = RELEASE
          fi;
          sent_uid[slot] = known_uid[i]; sent_version[slot] = known_version[i];
          sent_token[slot] = (KEEPS_ITS_TERM_ID(i) -> own_token[i] : known_token[i]);
          sent_term[slot] = own_term[i]; sent_transitions[slot] = known_transitions[i]
       :: else
       fi;
       forget(i); slot = 0 }
  :: atomic { restarts < RESTARTS && own_term[i] != 0 ->
       restarts++; own_term[i] = 0; own_token[i] = 0; forget(i);
       seen[i] = 0; sent[i] = 0; sent_over_uid[i] = 0; sent_over_version[i] = 0 }
  od
}

#define GUARD_ADMITS(slot) \
  (!GUARD || token == 0 || (sent_token[slot] >= token && \
   (kind[slot] == RELEASE || holder == slot / 2 + 1 || sent_token[slot] > token)))

inline apply(slot) {
  if
  :: IS_CURRENT(slot) && GUARD_ADMITS(slot) && writes < MAX_WRITES ->
     if
     :: !exists -> uids++; exists = 1; uid = uids
     :: else
     fi;
     if
     :: kind[slot] == ACQUIRE ->
        assert(sent_token[slot] > last_token);
        assert(owner[sent_token[slot]] == 0);
        assert(sent_token[slot] <= revision || ADVANCES || RESTORE == 1);
        if
        :: last_attempt != sent_term[slot] -> dead[last_attempt] = 1
        :: else
        fi;
        last_token = sent_token[slot]; owner[last_token] = sent_term[slot];
        last_attempt = sent_term[slot]
     :: kind[slot] == RENEW -> assert(sent_token[slot] >= last_token)
     :: else
     fi;
     holder = (kind[slot] == RELEASE -> 0 : slot / 2 + 1);
     term = (kind[slot] == RELEASE -> 0 : sent_term[slot]);
     token = sent_token[slot]; transitions = sent_transitions[slot];
     drop(slot); new_revision()
  :: else -> drop(slot)
  fi
}
proctype network() {
  do
  :: atomic { kind[0] != 0 -> apply(0) }
  :: atomic { kind[1] != 0 -> apply(1) }
  :: atomic { kind[2] != 0 -> apply(2) }
  :: atomic { shown_as_of != revision -> refresh_cache() }
  od
}

proctype others() {
  do
  :: atomic { exists && deletions < DELETIONS && writes < MAX_WRITES && (GUARD < 2 || token == 0) ->
       deletions++; dead[last_attempt] = 1;
       exists = 0; uid = 0; version = 0; holder = 0; term = 0; token = 0; transitions = 0;
       new_revision() }
  :: atomic { FOREIGN && exists && writes < MAX_WRITES && (!GUARD || token == 0) ->
       dead[last_attempt] = 1;
       holder = FOREIGN_HOLDER; term = 0; transitions++;
       if
       :: true
       :: token = 0
       fi;
       new_revision() }
  :: atomic { RESTORE && !has_backup && writes > 1 ->
       has_backup = 1; backup_exists = exists; backup_uid = uid; backup_version = version;
       backup_holder = holder; backup_term = term; backup_token = token;
       backup_transitions = transitions; backup_revision = revision }
  /* The record keeps its old version whatever the revision does. Connections are cut. */
  :: atomic { has_backup && restores == 0 && writes < MAX_WRITES ->
       restores++; exists = backup_exists; uid = backup_uid; version = backup_version;
       holder = backup_holder; term = backup_term; token = backup_token;
       transitions = backup_transitions;
       revision = backup_revision + (RESTORE == 2 -> BUMP : 0);
       drop(0); drop(1); drop(2); refresh_cache();
#ifndef WEAK_ACQUIRES_FROM_MEMORY
       forget(0); forget(1)         /* R7: a broken watch needs a LIST before an acquisition */
#endif
     }
  od
}

init {
  atomic {
    dead[0] = 1;
    run candidate(0); run candidate(1); run network(); run others()
  }
}
