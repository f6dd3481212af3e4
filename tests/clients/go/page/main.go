// The reader for Go, as tests/clients/page/run wants it.
package main

import (
	"fmt"
	"os"
	"strconv"

	baton "baton"
)

func isWhole(term baton.Leadership) bool {
	return term.TermID == fmt.Sprint("term-", term.Token) && term.Change == term.Token &&
		uint64(term.Deadline) == 1_000_000_000_000_000_000+term.Token
}

func stress(path string, changes int) {
	page := baton.StatusPage{Path: path}
	reads, torn, last := 0, 0, uint64(0)
	for changes > 0 {
		term, leads := page.Leadership()
		if !leads {
			continue
		}
		reads++
		if !isWhole(term) || term.Token < last {
			torn++
		}
		if term.Token != last {
			changes--
		}
		last = term.Token
	}
	fmt.Println(reads, torn)
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "--stress" {
		changes, _ := strconv.Atoi(os.Args[3])
		stress(os.Args[2], changes)
		return
	}
	for _, path := range os.Args[1:] {
		page := baton.StatusPage{Path: path}
		if term, leads := page.Leadership(); leads && term.Remaining > 0 {
			fmt.Println("yes", term.Token, term.TermID, term.State, term.Run, term.Change, term.Deadline)
		} else {
			fmt.Println("no")
		}
	}
}
