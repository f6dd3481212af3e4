// Judges a history of one election and of the store that its leaders write to: is it linearizable
// against a lock with fencing tokens? usage: lock-history FILE [--draw HTML]
//
// FILE has one operation a line, times in nanoseconds of one clock, in any order:
//
//	{"client":"p0","op":"acquire","token":7,"call":1,"return":3}          a term begins
//	{"client":"p0","op":"release","token":7,"call":9,"return":9}          it ends by the holder's will
//	{"client":"p0","op":"expire","token":7,"call":9,"return":9}           it ends by itself
//	{"client":"p0","op":"seal","token":7,"accepted":true,"call":4,"return":4}   nothing older from now
//	{"client":"p0","op":"read","value":41,"call":4,"return":4}            of the store
//	{"client":"p0","op":"write","token":7,"value":42,"accepted":true,…}   to the store; false: refused
//
// One line tells the verdict. Exit 0: linearizable; 1: not, or undecided; 2: no history.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

const bound = 2 * time.Minute

type operation struct {
	Client   string `json:"client"`
	Op       string `json:"op"`
	Token    int64  `json:"token"`
	Value    int64  `json:"value"`
	Accepted bool   `json:"accepted"`
	Call     int64  `json:"call"`
	Return   int64  `json:"return"`
}

// What the lock and the store are in, between two operations.
type state struct {
	holder  int64 // the token of the running term, 0 if none runs
	granted int64 // the highest token of all terms so far
	highest int64 // the highest token that the store has taken
	value   int64 // of the store
}

// The sequential specification: whether the operation may happen here, and what it leaves behind.
func step(s state, o operation) (bool, state) {
	switch o.Op {
	case "acquire":
		legal := s.holder == 0 && o.Token > s.granted
		s.holder, s.granted = o.Token, o.Token
		return legal, s
	case "release", "expire":
		legal := s.holder == o.Token
		s.holder = 0
		return legal, s
	case "read":
		return o.Value == s.value, s
	case "seal", "write":
		if !o.Accepted {
			return o.Token < s.highest, s
		}
		legal := o.Token <= s.granted && o.Token >= s.highest
		s.highest = o.Token
		if o.Op == "write" {
			s.value = o.Value
		}
		return legal, s
	}
	return false, s
}

func describe(o operation) string {
	switch o.Op {
	case "read":
		return fmt.Sprintf("%s: read -> %d", o.Client, o.Value)
	case "seal", "write":
		verdict := "accepted"
		if !o.Accepted {
			verdict = "refused"
		}
		return fmt.Sprintf("%s: %s %d with token %d -> %s", o.Client, o.Op, o.Value, o.Token, verdict)
	}
	return fmt.Sprintf("%s: %s, token %d", o.Client, o.Op, o.Token)
}

var model = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(s, input, _ any) (bool, any) { return step(s.(state), input.(operation)) },
	DescribeOperation: func(input, _ any) string {
		return describe(input.(operation))
	},
}

func read(path string) ([]porcupine.Operation, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var history []porcupine.Operation
	clients := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		var o operation
		strict := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&o); err != nil {
			return nil, fmt.Errorf("%s:%d: %w; must be one operation", path, number, err)
		}
		if o.Call > o.Return {
			return nil, fmt.Errorf("%s:%d: call %d after return %d", path, number, o.Call, o.Return)
		}
		if _, known := clients[o.Client]; !known {
			clients[o.Client] = len(clients)
		}
		history = append(history, porcupine.Operation{
			ClientId: clients[o.Client], Input: o, Call: o.Call, Return: o.Return})
	}
	if len(history) == 0 {
		return nil, fmt.Errorf("%s has no operation", path)
	}
	return history, lines.Err()
}

// The operations that no order explains: those that the longest order found leaves out, by call.
func firstUnexplained(info porcupine.LinearizationInfo, history []porcupine.Operation) string {
	var longest []porcupine.Operation
	for _, orders := range info.PartialLinearizationsOperations() {
		for _, order := range orders {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	explained := map[operation]int{}
	for _, one := range longest {
		explained[one.Input.(operation)]++
	}
	var first *porcupine.Operation
	for i, one := range history {
		if explained[one.Input.(operation)]--; explained[one.Input.(operation)] >= 0 {
			continue
		}
		if first == nil || one.Return < first.Return {
			first = &history[i]
		}
	}
	if first == nil {
		return ""
	}
	o := first.Input.(operation)
	return fmt.Sprintf("; no order explains %q, called at %d", describe(o), o.Call)
}

func run(arguments []string) (int, error) {
	draws := len(arguments) == 3 && arguments[1] == "--draw"
	if len(arguments) != 1 && !draws {
		return 2, errors.New("usage: lock-history FILE [--draw HTML]")
	}
	history, err := read(arguments[0])
	if err != nil {
		return 2, err
	}
	result, info := porcupine.CheckOperationsVerbose(model, history, bound)
	if draws {
		if err := porcupine.VisualizePath(model, info, arguments[2]); err != nil {
			return 2, err
		}
	}
	switch result {
	case porcupine.Ok:
		fmt.Printf("porcupine: linearizable as a lock with fencing: %d operations\n", len(history))
		return 0, nil
	case porcupine.Illegal:
		fmt.Printf("porcupine: NOT linearizable as a lock with fencing: %d operations%s\n",
			len(history), firstUnexplained(info, history))
	default:
		fmt.Printf("porcupine: undecided after %s: %d operations\n", bound, len(history))
	}
	return 1, nil
}

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "lock-history:", err)
	}
	os.Exit(code)
}
