// A singleton worker: a piece of work each second, only while this Pod leads, each with the token.
// It holds a connection to the sidecar's event stream, whose end proves that its work has ended.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const piece = 3 * time.Second // no piece of work takes longer, and none begins with less validity left

var sidecar, store = "http://localhost:4040", os.Getenv("STORE")

type status struct {
	IsLeader           bool
	FencingToken       string
	TermID             string
	DeadlineBoottimeNs string
}

// remaining is what is left of the validity, by the sidecar's own clock: CLOCK_BOOTTIME.
func (s *status) remaining() time.Duration {
	deadline, err := strconv.ParseInt(s.DeadlineBoottimeNs, 10, 64)
	var now syscall.Timespec
	const boottime = 7
	if _, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, boottime, uintptr(unsafe.Pointer(&now)), 0); err != nil || failed != 0 {
		return 0
	}
	return time.Duration(deadline - now.Nano())
}

// follow sends each event of the stream, and closes news when it ends or cannot be had.
func follow(ctx context.Context, news chan<- status) {
	defer close(news)
	request, _ := http.NewRequestWithContext(ctx, "GET", sidecar+"/leader/events?hold=true", nil)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		var event status
		data, is := strings.CutPrefix(lines.Text(), "data: ")
		if !is || json.Unmarshal([]byte(data), &event) != nil {
			continue
		}
		select {
		case news <- event:
		case <-ctx.Done():
			return
		}
	}
}

// post returns the status, or the error as text.
func post(url, header, value string, body []byte, timeout time.Duration) string {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	request, _ := http.NewRequestWithContext(ctx, "POST", url, bytes.NewReader(body))
	request.Header.Set(header, value)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	answer.Body.Close()
	return strconv.Itoa(answer.StatusCode)
}

// tell speaks to the sidecar. Without an answer nothing is lost: then the clock ends the term.
func tell(path string, fields map[string]string) {
	body, _ := json.Marshal(fields)
	fmt.Println(path, post(sidecar+path, "Baton-Control", "1", body, 5*time.Second))
}

// work does the work of at most one term, until it is lost, the stream ends or ctx does. The stream
// ends with it, and no piece of work runs then: that is what hold=true promises.
func work(ctx context.Context) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	news := make(chan status)
	go follow(ctx, news)
	host, _ := os.Hostname()
	var leader status
	refused := ""
	for tick := time.Tick(time.Second); ; {
		select {
		case event, isOpen := <-news:
			if !isOpen || leader.IsLeader && (!event.IsLeader || event.TermID != leader.TermID) {
				return
			}
			leader = event
		case <-ctx.Done():
			return
		case <-tick:
			// A silent sidecar extends no deadline.
			if !leader.IsLeader || leader.TermID == refused || leader.remaining() < piece {
				continue
			}
			result := post(store, "Baton-Fencing-Token", leader.FencingToken, []byte(host), piece)
			fmt.Printf("token %s: %s\n", leader.FencingToken, result)
			if result == "409" { // somebody has a higher token
				refused = leader.TermID
				tell("/fencing/rejections", map[string]string{"token": leader.FencingToken, "resource": store})
				tell("/resign?drained=true", map[string]string{"termId": refused})
			}
		}
	}
}

func main() {
	if address := os.Getenv("SIDECAR"); address != "" {
		sidecar = address
	}
	stop, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	for stop.Err() == nil {
		work(stop)
		time.Sleep(200 * time.Millisecond)
	}
}
