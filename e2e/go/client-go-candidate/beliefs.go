// What this candidate believes, and when: JSON lines on standard output with CLOCK_BOOTTIME, the
// clock of baton's logs, so that one judge reads both.
//
//	gained    OnStartedLeading
//	extended  a write of the Lease was answered; gives_up_boottime_ns is when the candidate stops at
//	          the latest if no other follows: RetryPeriod and RenewDeadline after the answer
//	lost      the context of OnStartedLeading is done, or OnStoppedLeading: whichever came first
//	act       a piece of work, begun by one who works until that context is done ("context"), or by
//	          one who asks IsLeader() before each ("is_leader")
//	idle      neither works any more
package main

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

type line struct {
	Message  string `json:"msg"`
	Boottime int64  `json:"boottime_ns"`
	Term     string `json:"term_id"`
	Deadline int64  `json:"deadline_boottime_ns,omitempty"`
	GivesUp  int64  `json:"gives_up_boottime_ns,omitempty"`
	Context  bool   `json:"context,omitempty"`
	IsLeader bool   `json:"is_leader,omitempty"`
}

func boottime() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic(err)
	}
	return now.Nano()
}

// One process has at most one term: losing it ends the process.
type beliefs struct {
	id       string
	patience time.Duration
	leading  atomic.Pointer[context.Context] // as OnStartedLeading got it
	lose     sync.Once
	// leaseTransitions of the last own write: what users of client-go have for a fencing token.
	transitions atomic.Int64
}

// How long who asks over HTTP may believe the answer. client-go gives no deadline, so it says yes for
// as long as a worker that asks often would work on without asking.
const answerHolds = 100 * time.Millisecond

func (b *beliefs) document(leads bool) map[string]any {
	document := map[string]any{"isLeader": leads, "identity": b.id}
	if leads {
		document["fencingToken"] = strconv.FormatInt(b.transitions.Load()+1, 10)
		document["deadlineBoottimeNs"] = boottime() + answerHolds.Nanoseconds()
	}
	return document
}

// A line is one write, so that lines of several threads do not mix.
func (b *beliefs) say(l line) {
	l.Term = b.id
	text, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.Write(append(text, '\n'))
}

func (b *beliefs) gained(ctx context.Context) {
	// Nothing but "lost" ends this belief: client-go compares no deadline when it is asked.
	b.say(line{Message: "gained", Boottime: boottime(), Deadline: int64(1) << 62})
	b.leading.Store(&ctx)
	context.AfterFunc(ctx, b.lost)
}

func (b *beliefs) lost() {
	if b.leading.Load() != nil {
		b.lose.Do(func() { b.say(line{Message: "lost", Boottime: boottime()}) })
	}
}

// Works in steps of `period`, as often as either way of asking allows it.
func (b *beliefs) work(period time.Duration, isLeader func() bool) {
	worked := false
	for range time.Tick(period) {
		ctx := b.leading.Load()
		act := line{Message: "act", Context: ctx != nil && (*ctx).Err() == nil, IsLeader: isLeader()}
		act.Boottime = boottime()
		works := act.Context || act.IsLeader
		if !works {
			act.Message = "idle"
		}
		if works || worked {
			b.say(act)
		}
		worked = works
	}
}

// The lock, with what was answered to its holder's writes.
type recordedLock struct {
	resourcelock.Interface
	beliefs *beliefs
}

func (l recordedLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.record(record, l.Interface.Create(ctx, record))
}

func (l recordedLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.record(record, l.Interface.Update(ctx, record))
}

func (l recordedLock) record(record resourcelock.LeaderElectionRecord, err error) error {
	if err == nil && record.HolderIdentity == l.Identity() {
		l.beliefs.transitions.Store(int64(record.LeaderTransitions))
		now := boottime()
		l.beliefs.say(line{
			Message: "extended", Boottime: now, GivesUp: now + l.beliefs.patience.Nanoseconds()})
	}
	return err
}
