//go:build linux

// Package baton runs work only while this Pod leads. Copy this file; it needs Go 1.21 on Linux.
//
//	err := baton.Must("").Lead(ctx, func(term *baton.Term) error { // called once for each term led
//		for term.Pause(time.Second) { // true: a second has passed and the term still holds
//			ctx, done := term.WithTimeout(3 * time.Second)
//			write(ctx, term.Headers(""))
//			done()
//		}
//		return nil
//	})
//
// Promised:
//   - Work starts only after the sidecar's yes, over a connection that is still open, and before its deadline.
//   - Leading, Remaining, Pause and Err ask CLOCK_BOOTTIME at that moment: no goroutine, timer or answer
//     need come in time. Once a term is over they say so for ever, and Done is closed.
//   - No answer is no: refused, silent, garbled, cut off, the last deadline holds and nothing longer.
//   - With the status page, client.Page = &StatusPage{Path: path} of page.go, they ask that too: a term that is not
//     on it with this token at that moment is over. The page takes away and never adds.
//   - Another term id is a loss, then a gain, also if the Pod never ceased to lead.
//   - The connection that tells the sidecar that work runs (hold=true) is closed by this package only while
//     no work runs. So end in it what it began: goroutines, requests and child processes too.
//
// Not promised:
//   - That work stops: Go cannot stop it. Pass the term as the context, or ask before each piece.
//   - That a process paused between asking and acting does nothing late: only a resource that checks the
//     token can refuse that. Send Headers with each effect; tell a refusal by Rejected.
//   - That what got no answer, 502 or 504 did not happen. Send it again, with the same idempotency key.
//   - That a timeout of package context on a Term is kept: the Term's deadline moves with each renewal, and
//     context.WithTimeout drops its own where the parent's looks sooner. Use Term.WithTimeout.
//
// After a loss work is to return; its error is then taken for the loss's consequence and dropped. If it returns
// while it leads, the term is resigned and Lead ends with its error. The end of Lead's context ends Lead: make
// it by signal.NotifyContext with SIGTERM.
//
// The example, beside a running scripts/quickstart, from the top folder:
//
//	(cd clients/go && go run ./example)
package baton

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	tick    = 250 * time.Millisecond // waits are cut into these, so that a machine that was suspended is noticed
	retry   = 250 * time.Millisecond // from one try to connect to the next
	dial    = time.Second
	prompt  = 5 * time.Second  // for the head of an answer, and for the answer to a call
	silence = 40 * time.Second // of a stream that beats every 15 s
	longest = 65536            // bytes of a head or an event
)

var (
	termID = regexp.MustCompile(`^[0-9A-Za-z._-]{1,100}$`)
	name   = regexp.MustCompile(`^[0-9A-Za-z._-]{1,253}$`)
	whole  = regexp.MustCompile(`^[1-9][0-9]{0,17}$`) // tokens end at 10^18-1, deadlines after 31 years
	status = regexp.MustCompile(`^HTTP/1\.[01] (\d{3})(?:\s|$)`)
	events = regexp.MustCompile(`(?i)\r\ncontent-type:[ \t]*text/event-stream[ \t]*(;|\r|$)`)
	framed = regexp.MustCompile(`(?i)\r\ntransfer-encoding:`)

	// ErrLost is the cause (context.Cause) of a term that was lost.
	ErrLost = errors.New("baton: the leadership was lost")
)

// boottime is CLOCK_BOOTTIME in nanoseconds. Without that clock nothing can be believed.
func boottime() int64 {
	var now syscall.Timespec
	const clockBoottime = 7
	_, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&now)), 0)
	if failed != 0 {
		panic("baton: no CLOCK_BOOTTIME: " + failed.Error())
	}
	return now.Nano()
}

// Term is one leadership as one call of work sees it, and its context. Any goroutine may call any method.
type Term struct {
	context.Context // ends with the term
	Token           int64
	TermID          string
	Scope           string // NAMESPACE/ELECTION

	client                *Client
	deadline              int64
	over, lapsed, givenUp bool // guarded by the client's mutex
	cancel                context.CancelCauseFunc
}

// Remaining is what is left until the deadline as it is known now; 0 once the term is over.
func (t *Term) Remaining() time.Duration {
	t.client.mutex.Lock()
	defer t.client.mutex.Unlock()
	return t.remaining()
}

func (t *Term) remaining() time.Duration {
	if t.over {
		return 0
	}
	shown := t.client.shows(t.TermID, t.Token) // first: the clock is looked at last
	left := t.deadline - boottime()
	if !shown || left <= 0 || t.Context.Err() != nil {
		t.lapsed = left <= 0
		t.end()
		return 0
	}
	return time.Duration(left)
}

func (t *Term) end() {
	t.over = true
	t.cancel(ErrLost)
}

func (t *Term) Leading() bool { return t.Remaining() > 0 }

// Err is nil exactly while the term holds.
func (t *Term) Err() error {
	t.Remaining()
	return t.Context.Err()
}

// Deadline is the deadline as it is known now. It moves with each renewal.
func (t *Term) Deadline() (time.Time, bool) {
	deadline := time.Now().Add(t.Remaining())
	if outer, has := t.Context.Deadline(); has && outer.Before(deadline) {
		return outer, true
	}
	return deadline, true
}

// WithTimeout is for one piece of work: it ends after so long, or at the deadline as it is known now.
func (t *Term) WithTimeout(most time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context, min(most, t.Remaining()))
}

// Pause waits so long, or until the term is over. True if it still holds.
func (t *Term) Pause(duration time.Duration) bool {
	for until := time.Now().Add(duration); ; {
		left := min(t.Remaining(), time.Until(until), tick)
		if left <= 0 {
			return t.Leading()
		}
		select {
		case <-t.Done():
		case <-time.After(left):
		}
	}
}

// Rejected says that a resource refused the token: somebody has a higher one (0: not known). It ends the term,
// reports it, and has the term resigned when work has returned. True if the sidecar took the report.
func (t *Term) Rejected(resource string, highestToken int64) bool {
	t.giveUp()
	fields := map[string]string{"token": strconv.FormatInt(t.Token, 10)}
	if resource != "" {
		fields["resource"] = resource
	}
	if highestToken > 0 {
		fields["highestToken"] = strconv.FormatInt(highestToken, 10)
	}
	return t.client.post("/fencing/rejections", fields) == 204
}

// Drained says that this term's work has ended, though the function runs on: ends the term and has it released.
func (t *Term) Drained() bool {
	t.giveUp()
	return t.client.sayDrained("/drained", t.TermID)
}

// Ready says that the application has recovered its state (the sidecar's gate on warming up, if it is set).
func (t *Term) Ready() bool {
	answered := t.client.post("/ready-to-lead", map[string]string{"termId": t.TermID})
	return answered == 200 || answered == 202
}

// Headers are those of a request or message that has an effect: the token, and the scope that its receiver fences
// by: the election's for "", or another that was agreed on with it. It panics if that is not 1 to 512 visible ASCII
// characters: a scope is the program's, never an input.
func (t *Term) Headers(scope string) map[string]string {
	if scope == "" {
		scope = t.Scope
	} else if !isVisible(scope, 512) {
		panic("baton: a scope has 1 to 512 visible ASCII characters")
	}
	return map[string]string{"Baton-Fencing-Token": strconv.FormatInt(t.Token, 10), "Baton-Fencing-Scope": scope}
}

// IdempotencyKey is of (token, operation id), for effects that check no token: the same for each try in this
// term, so that one of unknown outcome can be sent again. In a later term it is another one; what must never happen
// twice takes the operation id alone.
func (t *Term) IdempotencyKey(operation string) (string, error) {
	if !isVisible(operation, 200) {
		return "", errors.New("an operation id has 1 to 200 visible ASCII characters")
	}
	return fmt.Sprintf("%d:%s", t.Token, operation), nil
}

func isVisible(text string, most int) bool {
	isOdd := func(letter rune) bool { return letter < '!' || letter > '~' }
	return len(text) >= 1 && len(text) <= most && !strings.ContainsFunc(text, isOdd)
}

func (t *Term) giveUp() {
	t.client.mutex.Lock()
	defer t.client.mutex.Unlock()
	t.givenUp = true
	t.end()
}

type answer struct {
	leads    bool
	termID   string
	token    int64
	deadline int64
	scope    string
}

// Page is what shows the terms of this Pod: a *StatusPage of page.go.
type Page interface {
	// Shows says whether this Pod leads, at this moment, in that term.
	Shows(termID string, token int64) bool
}

// Client is the sidecar as this process sees it. Its fields are set before Lead.
type Client struct {
	Holder string // the own name where the sidecar's setting `holders` names several working containers
	Page   Page   // the sidecar's status page; nil: the deadline of the last answer alone counts

	addresses []address
	news      chan struct{} // rung after each answer

	mutex   sync.Mutex
	leads   bool    // Lead runs
	closing bool    // nothing is to be held any more
	term    *Term   // while work runs
	answer  *answer // the last of the stream that is open; nil: none
	done    string  // the term that was given up, never to be worked in again
	problem string
	stream  net.Conn
}

// New takes an address as BATON_LOCAL_ADDRESS has it; "": what that variable says, else localhost:4040.
func New(text string) (*Client, error) {
	if text == "" {
		text = os.Getenv("BATON_LOCAL_ADDRESS")
	}
	if text == "" {
		text = "localhost:4040"
	}
	addresses, err := parseAddresses(text)
	return &Client{addresses: addresses, news: make(chan struct{}, 1)}, err
}

// Must is New for an address that is known to be right. It panics on another.
func Must(text string) *Client {
	client, err := New(text)
	if err != nil {
		panic(err)
	}
	return client
}

// Problem is why there is no answer, for people; "" while there is one.
func (c *Client) Problem() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.problem
}

// Lead calls work for each term until ctx ends, or until work returns while leading: then it returns its error.
func (c *Client) Lead(ctx context.Context, work func(*Term) error) error {
	c.mutex.Lock()
	if c.leads {
		c.mutex.Unlock()
		return errors.New("baton: Lead runs already")
	}
	c.leads, c.closing = true, false
	c.mutex.Unlock()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch()
	}()
	defer func() { // also when work panics
		c.mutex.Lock()
		c.closing = true
		if c.stream != nil {
			c.stream.Close() // no work runs
		}
		c.mutex.Unlock()
		<-watched
		c.mutex.Lock()
		c.leads = false
		c.mutex.Unlock()
	}()
	for {
		term := c.nextTerm(ctx)
		if term == nil {
			return nil
		}
		if byItself, err := c.run(ctx, term, work); byItself {
			return err
		}
	}
}

func (c *Client) nextTerm(ctx context.Context) *Term {
	for ctx.Err() == nil {
		c.mutex.Lock()
		if a := c.answer; a != nil && a.leads && a.termID != c.done && boottime() < a.deadline {
			if c.shows(a.termID, a.token) {
				inner, cancel := context.WithCancelCause(ctx)
				c.term = &Term{Context: inner, Token: a.token, TermID: a.termID, Scope: a.scope, client: c,
					deadline: a.deadline, cancel: cancel}
				c.problem = ""
				c.mutex.Unlock()
				return c.term
			}
			c.problem = "the status page does not say that this Pod leads"
		}
		c.mutex.Unlock()
		select {
		case <-ctx.Done():
		case <-c.news:
		case <-time.After(tick):
		}
	}
	return nil
}

// shows says whether the status page says that the term runs. Where there is none nothing says otherwise.
func (c *Client) shows(termID string, token int64) bool {
	return c.Page == nil || c.Page.Shows(termID, token)
}

func (c *Client) run(ctx context.Context, term *Term, work func(*Term) error) (byItself bool, err error) {
	panicked := true
	defer func() {
		c.mutex.Lock()
		byItself = term.remaining() > 0
		term.end()
		givesUp := byItself || panicked || term.givenUp || ctx.Err() != nil
		toldNo := c.answer != nil && (!c.answer.leads || c.answer.termID != term.TermID) ||
			!term.lapsed && !c.shows(term.TermID, term.Token)
		c.mutex.Unlock()
		if givesUp {
			c.sayDrained("/resign?drained=true", term.TermID)
		} else if toldNo { // so that the next leader need not wait for the clock
			c.sayDrained("/drained", term.TermID)
		}
		c.mutex.Lock()
		if givesUp {
			c.done = term.TermID
		}
		c.term = nil
		c.mutex.Unlock()
	}()
	if term.Leading() {
		err = work(term)
	}
	panicked = false
	return
}

func (c *Client) take(told *answer) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.answer = told
	if term := c.term; term != nil && told != nil && term.remaining() > 0 { // first: what has lapsed stays so
		if told.leads && told.termID == term.TermID && told.token == term.Token {
			term.deadline = told.deadline
		} else {
			term.end()
		}
	}
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// The watcher's goroutine: holds the stream, ends terms in time.

func (c *Client) watch() {
	for !c.isClosing() {
		if stream := c.connect(); stream != nil {
			c.hold(stream)
			stream.Close()
		}
		for until := time.Now().Add(retry); time.Now().Before(until) && !c.isClosing(); {
			time.Sleep(c.atMost(min(time.Until(until), retry/5)))
		}
	}
}

func (c *Client) isClosing() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.closing
}

// atMost is so long, or as long as the term holds. It ends a term whose deadline has passed.
func (c *Client) atMost(duration time.Duration) time.Duration {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.term != nil {
		if left := c.term.remaining(); left > 0 {
			return min(duration, left)
		}
	}
	return duration
}

func (c *Client) connect() net.Conn {
	for range c.addresses {
		c.mutex.Lock()
		at := c.addresses[0]
		c.mutex.Unlock()
		stream, err := request(at, c.atMost(dial), "GET "+c.named("/leader/events?hold=true"), "")
		c.mutex.Lock()
		if err == nil && !c.closing {
			c.stream = stream
			c.mutex.Unlock()
			return stream
		}
		if err == nil { // Lead has ended: no work runs
			stream.Close()
		} else {
			c.problem = err.Error()
			c.addresses = append(c.addresses[1:len(c.addresses):len(c.addresses)], c.addresses[0])
		}
		c.mutex.Unlock()
	}
	return nil
}

// hold returns when the stream may be closed.
func (c *Client) hold(stream net.Conn) {
	var reader reader
	opened, heard, data := time.Now(), time.Now(), make([]byte, longest)
	for {
		stream.SetReadDeadline(time.Now().Add(c.atMost(tick)))
		size, err := stream.Read(data)
		if size > 0 {
			heard = time.Now()
			c.read(&reader, data[:size])
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.take(nil)
			return
		}
		isLate := time.Since(opened) > prompt
		if reader.status != 0 {
			isLate = time.Since(heard) > silence
		}
		c.atMost(0)
		c.mutex.Lock()
		if c.term != nil && c.term.lapsed { // what comes now is too late
			reader.broken, c.answer = true, nil
		}
		// A refusal holds nothing. Else nobody may close this while work runs.
		ends := reader.refused() || (c.closing || reader.broken || isLate) && c.term == nil
		if ends {
			c.answer = nil
		}
		c.mutex.Unlock()
		if ends {
			return
		}
	}
}

func (c *Client) read(reader *reader, data []byte) {
	answers, err := reader.feed(data)
	for i := range answers {
		c.take(&answers[i])
	}
	if err != nil {
		reader.broken = true
		c.take(nil)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if err != nil {
		c.problem = err.Error()
	} else if len(answers) > 0 {
		c.problem = ""
	}
}

func (c *Client) named(path string) string {
	if c.Holder == "" {
		return path
	}
	return path + "&name=" + url.QueryEscape(c.Holder)
}

func (c *Client) sayDrained(path, id string) bool {
	fields := map[string]string{"termId": id}
	if path != "/drained" {
		path = c.named(path)
	} else if c.Holder != "" {
		fields["name"] = c.Holder
	}
	answered := c.post(path, fields)
	return answered == 200 || answered == 202
}

// post returns the status; 0 without an answer. Nothing is lost then: the clock ends the term.
func (c *Client) post(path string, fields map[string]string) int {
	body, _ := json.Marshal(fields)
	c.mutex.Lock()
	addresses := c.addresses
	c.mutex.Unlock()
	for _, at := range addresses {
		call, err := request(at, dial, "POST "+path, string(body))
		if err != nil {
			continue
		}
		defer call.Close()
		call.SetReadDeadline(time.Now().Add(prompt))
		head, _ := io.ReadAll(io.LimitReader(call, 16)) // "HTTP/1.1 200 OK\r"
		if found := status.FindSubmatch(head); found != nil {
			answered, _ := strconv.Atoi(string(found[1]))
			return answered
		}
		return 0
	}
	return 0
}

// reader is the answer to the request for the stream, from its bytes. HTTP/1.0, so the body is the events.
type reader struct {
	status     int
	broken     bool
	text, data []byte
}

func (r *reader) refused() bool { return r.status != 0 && r.status != 200 }

// feed returns the answers that have become whole. An error: this is no such stream, or one too long.
func (r *reader) feed(data []byte) (answers []answer, err error) {
	if r.broken || r.refused() {
		return nil, nil
	}
	r.text = append(r.text, data...)
	if r.status == 0 {
		head, rest, found := bytes.Cut(r.text, []byte("\r\n\r\n"))
		if len(head) > longest {
			return nil, errors.New("no HTTP answer: its head does not end")
		}
		if !found {
			return nil, nil
		}
		r.text = rest
		first := status.FindSubmatch(head)
		if first == nil {
			return nil, errors.New("no HTTP answer: does something else listen there?")
		}
		r.status, _ = strconv.Atoi(string(first[1]))
		if r.refused() {
			return nil, fmt.Errorf("refused: %s", bytes.SplitN(head, []byte("\r\n"), 2)[0])
		}
		if !events.Match(head) || framed.Match(head) {
			return nil, errors.New("not a plain event stream: does something else listen there?")
		}
	}
	for {
		line, rest, found := bytes.Cut(r.text, []byte("\n"))
		if !found {
			break
		}
		r.text = rest
		line = bytes.TrimRight(line, "\r")
		if data, is := bytes.CutPrefix(line, []byte("data:")); is {
			r.data = append(r.data, data...)
		} else if len(line) == 0 && len(r.data) > 0 {
			if told, is := readAnswer(r.data); is {
				answers = append(answers, told)
			}
			r.data = nil
		}
	}
	if len(r.text)+len(r.data) > longest {
		err = errors.New("an event does not end")
	}
	return answers, err
}

// readAnswer returns false if that is no status document.
func readAnswer(data []byte) (answer, bool) {
	var fields map[string]json.RawMessage // keys as they are written: a struct's would match any case
	if json.Unmarshal(data, &fields) != nil {
		return answer{}, false
	}
	switch string(fields["isLeader"]) {
	case "true":
	case "false":
		return answer{}, true
	default:
		return answer{}, false
	}
	texts := map[string]string{}
	forms := map[string]*regexp.Regexp{"termId": termID, "fencingToken": whole, "deadlineBoottimeNs": whole,
		"namespace": name, "election": name}
	for key, form := range forms {
		var text string
		if json.Unmarshal(fields[key], &text) != nil || !form.MatchString(text) {
			return answer{}, true
		}
		texts[key] = text
	}
	token, _ := strconv.ParseInt(texts["fencingToken"], 10, 64)
	deadline, _ := strconv.ParseInt(texts["deadlineBoottimeNs"], 10, 64)
	validMs, err := strconv.ParseInt(string(fields["validForMs"]), 10, 32)
	// More left than the sidecar saw when it wrote that: its clock is not ours. No yes can be trusted then.
	if left := deadline - boottime(); err != nil || left <= 0 || left > (validMs+1)*1_000_000 {
		return answer{}, true
	}
	return answer{true, texts["termId"], token, deadline, texts["namespace"] + "/" + texts["election"]}, true
}

func request(at address, limit time.Duration, what, body string) (net.Conn, error) {
	connection, err := net.DialTimeout(at.network, at.where, limit)
	if err != nil {
		return nil, err
	}
	connection.SetWriteDeadline(time.Now().Add(limit))
	head := what + " HTTP/1.0\r\nHost: localhost\r\nBaton-Control: 1\r\nContent-Length: " + strconv.Itoa(len(body))
	_, err = connection.Write([]byte(head + "\r\n\r\n" + body))
	if err != nil {
		connection.Close()
		return nil, err
	}
	return connection, nil
}

type address struct{ network, where string }

func parseAddresses(text string) (found []address, err error) {
	both := []string{"127.0.0.1", "::1"}
	loopback := map[string][]string{"localhost": both, "": both, "0.0.0.0": both[:1], "::": both[1:]}
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		if strings.HasPrefix(part, "unix:/") {
			found = append(found, address{"unix", part[5:]})
			continue
		}
		host, port, err := net.SplitHostPort(part)
		number, bad := strconv.ParseUint(port, 10, 16)
		hosts, is := loopback[host]
		if _, odd := netip.ParseAddr(host); err != nil || bad != nil || number == 0 || odd != nil && !is ||
			strings.HasPrefix(part, "[") != strings.Contains(host, ":") {
			return nil, fmt.Errorf("address %q: write 127.0.0.1:4040, [::1]:4040 or unix:/path", part)
		}
		if !is {
			hosts = []string{host}
		}
		for _, one := range hosts {
			found = append(found, address{"tcp", net.JoinHostPort(one, port)})
		}
	}
	return found, nil
}
