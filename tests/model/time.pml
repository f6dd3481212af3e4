/* Does the work of two Pods ever overlap? The rules of waiting, on clocks.
 *
 * Modelled: one Lease and two candidates, each with its own clock; replies that are late or lost;
 * a request that was given up and is applied later; watch events in any delay; resign, drain and
 * release; a restarted sidecar whose application keeps what it was told (R19); lock-delay (R18); and
 * one blow by somebody else (BLOW).
 * Not modelled: tokens, term ids and uids (token.pml); deadlines of requests, hold-off and spread,
 * which are liveness; renewals while draining. A request conditioned on a version that is gone can
 * only fail, so it vanishes at once.
 * Units: ticks. A tick moves each candidate's clock by 1..RATE. MAX_WRITES bounds the versions.
 *
 * Held to: at no time have both Pods validity, counted as what their applications were handed; with
 * a lock-delay, no term begins while an effect of an earlier one can still land. Each WEAK_… flag
 * takes one rule away, named where it is used. */

#ifndef D
#define D 4           /* lease_duration of candidate 0 … */
#endif
#ifndef D1
#define D1 D          /* … and of candidate 1 */
#endif
#ifndef V
#define V D           /* renew_deadline; V = D is R3's limit for clocks of one rate */
#endif
#ifndef V1
#define V1 (D1 < V -> D1 : V)
#endif
#ifndef RATE
#define RATE 1        /* how much faster one clock may be than the other */
#endif
#ifndef MAX_WRITES
#define MAX_WRITES 4
#endif
#ifndef RESIGN
#define RESIGN 0      /* 1: the holder may resign, drain and release */
#endif
#ifndef RESTARTS
#define RESTARTS 0    /* of sidecar processes; the application beside it lives on */
#endif
#ifndef L
#define L 0           /* lock_delay */
#endif
#ifndef BLOW
#define BLOW 0        /* bits, one blow in a run: 1 holder cleared, 2 re-created unheld, 4 duration
                         cut to 1, 8 deleted, 16 rewritten by a foreign elector, 32 restored with a
                         bump to the released record of the start */
#endif
#ifndef BLOW_SEEN
#define BLOW_SEEN 0   /* 1: the blow comes when both have seen the record that it destroys */
#endif
#ifndef NEWCOMERS
#define NEWCOMERS 0   /* of followers, another Pod takes the place: it has seen nothing */
#endif
#ifndef CREATOR_SAW
#define CREATOR_SAW 0 /* 1: a missing Lease is created only by who saw it while it was there */
#endif

#define LEASE_DURATION(i) (i == 0 -> D : D1)
#define RENEW_DEADLINE(i) (i == 0 -> V : V1)
#define LONGEST (D > D1 -> D : D1)
#define LARGER(a, b) ((a) > (b) -> (a) : (b))
#define LESS(a, by) ((a) > (by) -> (a) - (by) : 0)
#define UP_TO(most, a) ((a) < (most) -> (a) : (most))
#define FOREIGN 9

/* The store. */
bool exists = 1;
byte revision = 1, version = 1, writes = 0, blows = 0, restarts = 0, newcomers = 0;
byte holder = 0;          /* 0 unheld, i + 1, FOREIGN */
byte duration = 1;        /* leaseDurationSeconds */
byte term_duration = D;   /* baton/duration; 0: not annotated */
bool released = 1;        /* baton/released names the record's own term and transitions */

/* What candidate i holds: its term, and the validity that is handed out. */
#define NO_TERM 0
#define LEADING 1
#define DRAINING 2
byte term[2];
byte validity[2];          /* by this process, until its deadline */
byte earlier_validity[2];  /* by an earlier incarnation of the Pod (R19) */
byte effect[2];            /* how long after its validity an effect may still land */
byte up[2];                /* since the start of the process */
bool restarted[2];         /* no term of this process yet */
bool adopted[2];           /* adopted_until_ counts */

/* The request under way (R15: one), and one that was given up. */
#define SENT 1
#define APPLIED 2
#define ACQUIRE 0
#define RENEW 1
#define RELEASE 2
#define RELEASE_UNMARKED 3
#define FORGOTTEN 4        /* writes the holder, but its term is dead: no answer of it counts */
byte request[2], kind[2], age[2], base[2];              /* age: since t_send */
byte late[2], late_kind[2], late_age[2], late_base[2];

/* What candidate i remembers: memory_ of the code. */
bool known[2], known_exists[2], known_released[2];
byte known_version[2], known_holder[2], known_duration[2];
byte since[2];             /* since receipt of this record */
byte debt[2];              /* until it is over */
byte barred[2];            /* until at-once paths are open again (R14) */
bool saw[2];               /* a record: what is owed for one that is gone is known */

#define WORKS(i) (validity[i] > 0 || earlier_validity[i] > 0)
#define KNOWS_THE_NEWEST(i) (known[i] && known_version[i] == version)
#define ONE_POD_WORKS (!(WORKS(0) && WORKS(1)))

inline tick(i, by) {
  if
  :: !WORKS(i) -> effect[i] = LESS(effect[i], by)
  :: else
  fi;
  validity[i] = LESS(validity[i], by);
  earlier_validity[i] = LESS(earlier_validity[i], by);
  debt[i] = LESS(debt[i], by);
  barred[i] = LESS(barred[i], by);
  if
  :: validity[i] == 0 && term[i] == LEADING -> end_term(i)   /* R2 */
  :: else
  fi;
  if
  :: adopted[i] || restarted[i] -> up[i] = UP_TO(LONGEST, up[i] + by)
  :: else
  fi;
  if
  :: request[i] && kind[i] <= RENEW -> age[i] = UP_TO(RENEW_DEADLINE(i), age[i] + by)
  :: else
  fi;
  if
  :: late[i] && late_kind[i] <= RENEW ->
     late_age[i] = late_age[i] + by;
     if
     :: late_age[i] >= RENEW_DEADLINE(i) -> forget_late(i)      /* R10: remembered until then */
     :: else
     fi
  :: else
  fi;
  if
  :: KNOWS_THE_NEWEST(i) -> since[i] = UP_TO(known_duration[i] + L, since[i] + by)
  :: else
  fi
}

inline forget_late(i) {
  if
  :: late[i] == SENT && late_kind[i] <= RENEW -> late_kind[i] = FORGOTTEN; late_age[i] = 0
  :: late[i] == APPLIED -> no_late(i)
  :: else
  fi
}

/* R8: the term is dead, and no later answer revives it. What was handed out runs on. */
inline end_term(i) {
  term[i] = NO_TERM;
  if
  :: request[i] && kind[i] <= RENEW -> kind[i] = FORGOTTEN; age[i] = 0
  :: else
  fi;
#ifndef WEAK_LATE_ANSWER
  forget_late(i)
#endif
}

inline no_request(i) { request[i] = 0; kind[i] = 0; age[i] = 0; base[i] = 0 }
inline no_late(i) { late[i] = 0; late_kind[i] = 0; late_age[i] = 0; late_base[i] = 0 }
inline drop_hopeless(i) {
  if
  :: request[i] == SENT && (base[i] != version || writes == MAX_WRITES) -> no_request(i)
  :: else
  fi;
  if
  :: late[i] == SENT && (late_base[i] != version || writes == MAX_WRITES) -> no_late(i)
  :: else
  fi;
  since[i] = 0; known_released[i] = 0     /* of no use any more: only the newest may be acquired */
}
inline new_version() {
  revision++; writes++; version = revision;
  drop_hopeless(0); drop_hopeless(1)
}

/* A write of candidate i is applied. base then holds the version it made. */
inline apply(i, what) {
  exists = 1;
  if
  :: what == RELEASE || what == RELEASE_UNMARKED ->          /* R12 */
     holder = 0; duration = 1; released = (what == RELEASE)
  :: else ->
     holder = i + 1; duration = LEASE_DURATION(i); term_duration = duration; released = 0
  fi
}

/* R4: waiting_time(), and the debt that a superseded version leaves. */
#ifdef WEAK_DURATION_OF_THE_RECORD_ONLY
#define CARRIED LARGER(duration, 1)
#else
#define CARRIED LARGER(duration, term_duration)
#endif
#define IS_BATONS (holder != 0 && holder != FOREIGN)

inline take_in(i) {
#ifndef WEAK_NO_DEBT
  if
  :: known[i] && known_exists[i] -> debt[i] = LARGER(debt[i], known_duration[i] + L)
  :: else
  fi;
#endif
  known[i] = 1; known_exists[i] = exists; known_version[i] = version; saw[i] = saw[i] || exists;
  known_holder[i] = holder; known_released[i] = released; since[i] = 0;
  known_duration[i] = (!exists -> 0 : (IS_BATONS -> CARRIED : LARGER(CARRIED, LEASE_DURATION(i))));
  if
  :: debt[i] <= known_duration[i] + L -> debt[i] = 0            /* the wait is as long */
  :: else
  fi
}

inline begin_or_extend(i, what, aged) {
  if
  :: what == ACQUIRE && term[i] == NO_TERM && aged < RENEW_DEADLINE(i) ->
     term[i] = LEADING; restarted[i] = 0;
     if
     :: L > 0 -> assert(effect[0] == 0 && effect[1] == 0); effect[i] = L
     :: else
     fi;
     hand_out(i, aged)
  :: what == RENEW && term[i] == LEADING && aged < RENEW_DEADLINE(i) -> hand_out(i, aged)
  :: else
  fi
}
inline hand_out(i, aged) {
#ifdef WEAK_COUNTED_FROM_THE_REPLY
  validity[i] = RENEW_DEADLINE(i);                             /* R2 */
#else
  validity[i] = LARGER(validity[i], RENEW_DEADLINE(i) - aged); /* R2: t_send + V */
#endif
  assert(ONE_POD_WORKS)
}

/* R4, R14: at once only after a release. R10: own record, nothing handed out. R19: own Pod. */
#ifdef WEAK_NO_BAR
#define SHORTCUTS(i) true
#else
#define SHORTCUTS(i) (barred[i] == 0)
#endif
#ifdef WEAK_NO_RELEASE_MARK
#define IS_RELEASED(i) (known_holder[i] == 0)
#else
#define IS_RELEASED(i) (known_holder[i] == 0 && known_released[i])
#endif
#ifdef WEAK_READOPTS_DESPITE_LOCK_DELAY
#define MAY_READOPT(i) true
#else
#define MAY_READOPT(i) (L == 0)
#endif
#ifdef WEAK_TWO_SIDECARS_IN_ONE_POD
#define SHOWS_OWN_POD(i) (known_holder[i] != 0)
#else
#define SHOWS_OWN_POD(i) (restarted[i] && known_holder[i] == i + 1)
#endif
#define SHOWS_OWN_TERM(i) (!restarted[i] && known_holder[i] == i + 1)
#ifdef WEAK_NO_WAIT_AFTER_DELETION
#define MISSING_IS_FREE(i) (!known_exists[i])
#else
#define MISSING_IS_FREE(i) false
#endif
#define WAITED_OUT(i) (since[i] >= known_duration[i] + L && debt[i] == 0 && barred[i] == 0)
#ifdef WEAK_CREATED_FOR_THE_OWN_D
#define CREATED_FOR(i) LEASE_DURATION(i)
#else
#define CREATED_FOR(i) LARGER(LEASE_DURATION(i), debt[i])
#endif
#define MAY_ACQUIRE(i) \
  (MISSING_IS_FREE(i) || (known_exists[i] && (WAITED_OUT(i) || (SHORTCUTS(i) && (IS_RELEASED(i) || \
    (SHOWS_OWN_TERM(i) && validity[i] == 0 && L == 0) || (SHOWS_OWN_POD(i) && MAY_READOPT(i)))))))

/* Section 5: which release is allowed without the application's word. */
#ifdef WEAK_RELEASE_ON_A_SILENT_HEALTH_URL
#define HANDED_OUT_IS_OVER(i) true
#else
#define HANDED_OUT_IS_OVER(i) (validity[i] == 0)
#endif
#ifdef WEAK_RELEASE_AT_ONCE_AFTER_A_RESTART
#define ADOPTED_IS_OVER(i) true
#else
#define ADOPTED_IS_OVER(i) (!adopted[i] || up[i] >= LONGEST)
#endif
#ifdef WEAK_MARK_WITHOUT_PROOF
#define RELEASE_BY_E RELEASE
#else
#define RELEASE_BY_E (L > 0 -> RELEASE_UNMARKED : RELEASE)    /* R12 */
#endif

inline send(i, what) {
  request[i] = SENT; kind[i] = what; age[i] = 0; base[i] = known_version[i]
}
/* Equal candidates: candidate 0 writes first. */
#define MAY_SEND(i) (request[i] == 0 && KNOWS_THE_NEWEST(i) && writes < MAX_WRITES && \
                     (writes > 0 || i == 0 || D1 != D))

inline give_up(i) {
  late[i] = request[i]; late_kind[i] = kind[i]; late_age[i] = age[i]; late_base[i] = base[i];
  if
  :: late[i] == APPLIED && late_kind[i] > RENEW -> no_late(i)
  :: late_kind[i] <= RENEW && late_age[i] >= RENEW_DEADLINE(i) -> forget_late(i)
  :: else
  fi;
  no_request(i)
}

/* After the last write only answers that still can come hand anything out. */
#define MATTERS (writes < MAX_WRITES || request[0] || request[1] || late[0] || late[1])

inline forget(i) {
  known[i] = 0; known_exists[i] = 0; known_released[i] = 0; known_version[i] = 0; saw[i] = 0;
  known_holder[i] = 0; known_duration[i] = 0; since[i] = 0; debt[i] = 0; barred[i] = 0
}

proctype candidate(byte i) {
  do
  /* see(): an event or a LIST shows the newest version. */
  :: atomic { MATTERS && (!known[i] || known_version[i] != version) ->
       if
       :: known[i] && version < known_version[i] -> barred[i] = LONGEST + L; end_term(i)  /* R14 */
       :: else
       fi;
       take_in(i);
       if
       :: term[i] != NO_TERM && holder != i + 1 -> end_term(i)          /* R11 */
       :: else
       fi }
  /* R5: created at once, unheld, without the mark; what is owed is written into it. */
  :: atomic { MAY_SEND(i) && !known_exists[i] && !exists && (saw[i] || !CREATOR_SAW) ->
       exists = 1; holder = 0; released = 0; duration = CREATED_FOR(i);
       term_duration = CREATED_FOR(i); new_version() }
  :: atomic { MAY_SEND(i) && term[i] == NO_TERM && MAY_ACQUIRE(i) ->
       if
       :: SHOWS_OWN_POD(i) -> adopted[i] = 1                            /* R19 */
       :: else
       fi;
       send(i, ACQUIRE) }
  :: atomic { MAY_SEND(i) && term[i] == LEADING -> send(i, RENEW) }     /* R9 */
  /* Resign. Only drained, an exit or a closed connection end what was handed out: (a)-(c). */
  :: atomic { RESIGN && term[i] == LEADING ->
       term[i] = DRAINING;
       if
       :: adopted[i] -> validity[i] = 0    /* nobody has asked this incarnation yet */
       :: true
       fi }
  :: atomic { MAY_SEND(i) && term[i] == DRAINING && known_holder[i] == i + 1 ->
       validity[i] = 0; earlier_validity[i] = 0; effect[i] = 0;
       end_term(i); send(i, RELEASE) }
  :: atomic { MAY_SEND(i) && term[i] == DRAINING && known_holder[i] == i + 1 &&
              HANDED_OUT_IS_OVER(i) && ADOPTED_IS_OVER(i) ->            /* (e) */
       end_term(i); send(i, RELEASE_BY_E) }
  /* The network: applied, answered, answer lost, given up. */
  :: atomic { request[i] == SENT ->
       if
       :: base[i] == version && writes < MAX_WRITES ->
          request[i] = APPLIED; apply(i, kind[i]); base[i] = revision + 1; new_version()
       :: else -> no_request(i)
       fi }
  :: atomic { request[i] == APPLIED ->
       if
       :: base[i] == version && known_version[i] != version ->
          take_in(i); begin_or_extend(i, kind[i], age[i])
       :: base[i] >= known_version[i] && !(base[i] == version && known_version[i] != version) ->
          begin_or_extend(i, kind[i], age[i])
       :: base[i] < known_version[i] && known_holder[i] == i + 1 ->
          begin_or_extend(i, kind[i], age[i])
       :: base[i] < known_version[i] && known_holder[i] != i + 1 ->
          end_term(i)                                                   /* R2: contradicted */
       fi;
       no_request(i) }
  :: atomic { request[i] == APPLIED && late[i] == 0 -> give_up(i) }
  :: atomic { request[i] == SENT && late[i] == 0 -> give_up(i) }
  :: atomic { late[i] == SENT ->
       if
       :: late_base[i] == version && writes < MAX_WRITES ->
          late[i] = APPLIED; apply(i, late_kind[i]); late_base[i] = revision + 1; new_version();
          if
          :: late_kind[i] > RENEW -> no_late(i)
          :: else
          fi
       :: else -> no_late(i)
       fi }
  /* R10: an observation shows it applied, by an event that may be old (R6). */
  :: atomic { late[i] == APPLIED && late_kind[i] <= RENEW && late_age[i] < RENEW_DEADLINE(i) ->
#ifndef WEAK_LATE_ANSWER
       if
       :: late_base[i] >= known_version[i] -> begin_or_extend(i, late_kind[i], late_age[i])
       :: else
       fi;
#else
       begin_or_extend(i, ACQUIRE, late_age[i]);
#endif
       no_late(i) }
  :: atomic { late[i] == APPLIED -> no_late(i) }
  /* The sidecar restarts; its application keeps what it was told. */
  :: atomic { restarts < RESTARTS && term[i] != NO_TERM ->
       restarts++;
       earlier_validity[i] = LARGER(earlier_validity[i], validity[i]);
       end_term(i);
       if
       :: request[i] == SENT && late[i] == 0 -> give_up(i)
       :: else -> no_request(i)
       fi;
       validity[i] = 0; up[i] = 0; restarted[i] = 1; adopted[i] = 0;
       forget(i) }
  :: atomic { newcomers < NEWCOMERS && term[i] == NO_TERM && !WORKS(i) && !request[i] && !late[i] ->
       newcomers++; forget(i) }
  od
}

#define MAY_BLOW(bit) (((BLOW) & (bit)) && blows == 0 && exists && writes < MAX_WRITES && \
                       (!BLOW_SEEN || (KNOWS_THE_NEWEST(0) && KNOWS_THE_NEWEST(1))))
proctype world() {
  byte by;
  do
  :: atomic { MATTERS -> by = 1;
       if
       :: RATE > 1 -> by = RATE
       :: true
       fi;
       tick(0, by); by = 1;
       if
       :: RATE > 1 -> by = RATE
       :: true
       fi;
       tick(1, by); by = 0 }
  :: atomic { MAY_BLOW(1) && holder != 0 -> blows++; holder = 0; duration = 1; new_version() }
  :: atomic { MAY_BLOW(2) ->
       blows++; holder = 0; duration = D; term_duration = 0; released = 0; new_version() }
  :: atomic { MAY_BLOW(4) && holder != 0 -> blows++; duration = 1; new_version() }
  :: atomic { MAY_BLOW(8) -> blows++; exists = 0; holder = 0; released = 0; new_version() }
  :: atomic { MAY_BLOW(16) ->
       blows++; holder = FOREIGN; duration = 1; term_duration = 0; released = 0; new_version() }
  :: atomic { MAY_BLOW(32) && BLOW_SEEN && version > 1 ->
       blows++; holder = 0; duration = 1; term_duration = D; released = 1; version = 1; writes++;
       no_request(0); no_request(1); no_late(0); no_late(1) }
  od
}

init {
  atomic {
    up[0] = LONGEST; up[1] = LONGEST;
    run candidate(0); run candidate(1); run world()
  }
}
