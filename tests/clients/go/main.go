// The conformance program in Go: tests/clients/README.md says what it prints. usage: [ACT [FILE]]
package main

import (
	"baton"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

type line map[string]any

func say(what string, fields line) {
	fields["what"] = what
	text, _ := json.Marshal(fields)
	fmt.Println(string(text))
}

func now() int64 {
	var now syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 7, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}

var act, release string

func refuses(term *baton.Term) (does bool) {
	defer func() { does = recover() != nil }()
	if _, err := term.IdempotencyKey("op 1"); err != nil {
		term.Headers("a\r\nB: c")
	}
	return
}

func work(term *baton.Term) error {
	key, _ := term.IdempotencyKey("op-1")
	say("started", line{"atNs": now(), "token": strconv.FormatInt(term.Token, 10), "termId": term.TermID,
		"remainingMs": term.Remaining().Milliseconds(), "key": key,
		"headers": term.Headers(""), "asked": term.Headers("shop/bills"), "refuses": refuses(term)})
	for acted := false; ; {
		at := now()
		if term.Err() != nil {
			break
		}
		say("work", line{"atNs": at})
		if !acted {
			acted = true
			switch act {
			case "reject":
				say("told", line{"ok": term.Rejected("db", 99)})
			case "ready":
				say("told", line{"ok": term.Ready()})
			case "tell":
				say("told", line{"ok": term.Ready() && term.Drained()})
			case "return", "fail":
				say("ended", line{"atNs": now()})
				if act == "fail" {
					return errors.New("the work failed")
				}
				return nil
			}
		}
		term.Pause(20 * time.Millisecond)
	}
	<-term.Done()
	say("lost", line{"remainingMs": term.Remaining().Milliseconds()})
	for act == "stubborn" {
		if _, err := os.Stat(release); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	say("ended", line{"atNs": now()})
	return term.Err()
}

func main() {
	arguments := append(os.Args[1:], "", "")
	act, release = arguments[0], arguments[1]
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	client := baton.Must("")
	if act == "named" {
		client.Holder = "w/1"
	}
	if path := os.Getenv("BATON_STATUS_PAGE"); path != "" {
		client.Page = &baton.StatusPage{Path: path}
	}
	if err := client.Lead(ctx, work); err != nil {
		say("failed", line{"why": err.Error()})
	} else {
		say("returned", line{})
	}
}
