package baton

import (
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// StatusPage reads the sidecar's status page: does this Pod lead? The page itself costs no system call, the
// clock one. docs/status-page.md has the layout and the protocol. Any goroutine may ask.
//
//	page := baton.StatusPage{Path: "/run/baton-status/page"}
//	for term, leads := page.Leadership(); leads; term, leads = page.Leadership() {
//		write(term.Token, term.Remaining)
//	}
//
// Promised: never a yes after the page's deadline, on CLOCK_BOOTTIME read last; never a mixture of two writes; no
// file, a short one, another boot's, a later version's, one that a dead sidecar has left half written: no.
type StatusPage struct {
	Path string
	open atomic.Pointer[openPage]
}

// Leadership is what one write of the sidecar said, and how long it surely holds.
type Leadership struct {
	Token       uint64
	TermID      string
	State       uint64 // 3 warming, 4 leading, 5 uncertain
	Run, Change uint64
	Deadline    int64 // on CLOCK_BOOTTIME, nanoseconds
	Remaining   time.Duration
}

type openPage struct {
	words  *[pageSize / 8]uint64
	bootID string
}

const (
	pageSize       = 4096
	pageMagic      = 0x4741504e4f544142 // "BATONPAG"
	pageBody       = 3                  // in words of eight bytes
	pageBodyWords  = 18                 // without its sum
	pageQuickTries = 64                 // a write takes less than a microsecond
	pageTries      = 1000               // the others let the writer have the processor
)

// Leadership says false where this Pod does not lead.
func (p *StatusPage) Leadership() (Leadership, bool) {
	page := p.open.Load()
	if page == nil {
		if page = openStatusPage(p.Path); page == nil {
			return Leadership{}, false
		}
		if !p.open.CompareAndSwap(nil, page) {
			_ = syscall.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(page.words)), pageSize))
			page = p.open.Load()
		}
	}
	var body [pageBodyWords]uint64
	if !page.copy(&body) {
		return Leadership{}, false
	}
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&body)), len(body)*8)
	now := boottime()
	term := Leadership{Token: body[1], TermID: pageText(bytes[80:144]), State: body[2], Run: body[3], Change: body[4],
		Deadline: int64(body[0]), Remaining: time.Duration(int64(body[0]) - now)}
	return term, now < term.Deadline && pageText(bytes[40:80]) == page.bootID
}

// Shows is for Client.Page: whether this Pod leads in that term.
func (p *StatusPage) Shows(termID string, token int64) bool {
	term, leads := p.Leadership()
	return leads && term.TermID == termID && term.Token == uint64(token)
}

// copy takes one whole write, false if there was none to be had. Atomic loads are in one order with each other.
func (p *openPage) copy(body *[pageBodyWords]uint64) bool {
	for try := 0; try < pageTries; try++ {
		sequence := atomic.LoadUint64(&p.words[2])
		if sequence == 0 {
			return false
		}
		if sequence%2 == 0 {
			magic, version := atomic.LoadUint64(&p.words[0]), atomic.LoadUint64(&p.words[1])
			for i := range body {
				body[i] = atomic.LoadUint64(&p.words[pageBody+i])
			}
			if atomic.LoadUint64(&p.words[2]) == sequence {
				return magic == pageMagic && version == 1
			}
		}
		if try >= pageQuickTries {
			runtime.Gosched()
		}
	}
	return false
}

// openStatusPage maps the page. The writer takes the memory of all of it and never gives any back: no SIGBUS.
func openStatusPage(path string) *openPage {
	bootID, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() < pageSize {
		return nil
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, pageSize, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil
	}
	return &openPage{(*[pageSize / 8]uint64)(unsafe.Pointer(&memory[0])), strings.TrimSpace(string(bootID))}
}

func pageText(field []byte) string {
	text, _, _ := strings.Cut(string(field), "\x00")
	return text
}
