// Package fence is middleware that fences: only requests with the highest fencing token seen, or a
// higher one, reach the handler, one at a time.
//
//	guard, err := fence.Open("/data/fence", "shop/orders")
//	http.Handle("/orders", guard.Middleware(handler))
//
// A line of the file is a token; the last is the highest. Make it once, with a 0 in it. One process
// has it: a second one cannot open it.
package fence

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"syscall"
)

const limit = 1 << 20 // bytes of a body

var isToken = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)

// Fence is the highest token of one scope.
type Fence struct {
	mutex   sync.Mutex
	file    *os.File
	scope   string
	highest int64
}

// Open reads the file, which must be there: a lost one is no fresh start.
func Open(path, scope string) (*Fence, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("%s belongs to another process: %w", path, err)
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	lines := bytes.Fields(content[:bytes.LastIndexByte(content, '\n')+1])
	if len(lines) > 0 {
		if last := string(lines[len(lines)-1]); last == "0" || isToken.MatchString(last) {
			highest, _ := strconv.ParseInt(last, 10, 64)
			return &Fence{file: file, scope: scope, highest: highest}, nil
		}
	}
	return nil, fmt.Errorf("%s is damaged: its last line is no token. Put in the highest token that "+
		"this service may have taken", path)
}

// Middleware lets requests of the newest term through to next.
func (f *Fence) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens, scopes := r.Header["Baton-Fencing-Token"], r.Header["Baton-Fencing-Scope"]
		if len(tokens) != 1 || !isToken.MatchString(tokens[0]) {
			http.Error(w, fmt.Sprintf("not one fencing token: %q", tokens), http.StatusBadRequest)
			return
		}
		if len(scopes) != 1 || scopes[0] != f.scope {
			http.Error(w, fmt.Sprintf("a token of scope %q; here it is %q", scopes, f.scope),
				http.StatusForbidden)
			return
		}
		// All of it before the lock: who stops in its middle keeps nobody waiting.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		token, _ := strconv.ParseInt(tokens[0], 10, 64)

		f.mutex.Lock()
		defer f.mutex.Unlock() // the handler's work ends within it
		if token < f.highest {
			w.Header().Set("Baton-Highest-Token", strconv.FormatInt(f.highest, 10))
			http.Error(w, fmt.Sprintf("stale fencing token %d: the highest is %d", token, f.highest),
				http.StatusConflict)
			return
		}
		if token > f.highest {
			// On a line of its own also after one cut short by a crash.
			if _, err = fmt.Fprintf(f.file, "\n%d\n", token); err == nil {
				err = f.file.Sync()
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			f.highest = token
		}
		next.ServeHTTP(w, r)
	})
}
