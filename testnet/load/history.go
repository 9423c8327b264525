package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Action is what an operation of a history does.
type Action string

// The actions. A register and a counter know read, write and cas; a set add and list; a bank open,
// transfer and list.
const (
	Read     Action = "read"
	Write    Action = "write"
	Swap     Action = "cas"
	Add      Action = "add"
	List     Action = "list"
	Open     Action = "open"
	Transfer Action = "transfer"
)

// Changes reports whether the action may change something.
func (a Action) Changes() bool { return a != Read && a != List }

// Operation is one operation of one client, as the client saw it. Objects are independent of each
// other: no operation touches two.
type Operation struct {
	Workload string `json:"workload"`
	Object   string `json:"object"`
	Client   int    `json:"client"`
	Action   Action `json:"action"`
	// Value is what is written; Expect what a cas wants to find there, empty for nothing. No
	// workload writes an empty value.
	Value  string `json:"value,omitempty"`
	Expect string `json:"expect,omitempty"`
	// From and To are the accounts of a transfer, From is the element of an add.
	From   int    `json:"from,omitempty"`
	To     int    `json:"to,omitempty"`
	Amount uint64 `json:"amount,omitempty"`
	// Answer is what the client was told; nil if it was told nothing, so that the operation may
	// have happened at any time after its call, or never.
	Answer *Answer `json:"answer,omitempty"`
	// Called and Returned are nanoseconds since the history began, on one clock.
	Called   int64 `json:"called"`
	Returned int64 `json:"returned,omitempty"` // 0 without an answer
}

// Answer is what a client was told.
type Answer struct {
	// Done says that a change was made. A cas that was not done, and a read, tell the Value that
	// was there, empty for none.
	Done  bool   `json:"done,omitempty"`
	Value string `json:"value,omitempty"`
	// Elements are those of a set, ascending; Balances those of a bank's accounts.
	Elements []int    `json:"elements,omitempty"`
	Balances []uint64 `json:"balances,omitempty"`
}

// History is what some clients did and were told. Its methods may be called from any goroutine.
type History struct {
	began time.Time

	mu         sync.Mutex
	operations []Operation
	answered   int
}

// NewHistory returns an empty history that begins now.
func NewHistory() *History { return &History{began: time.Now()} }

// Now is the time since the history began, in nanoseconds; never 0.
func (h *History) Now() int64 { return max(1, time.Since(h.began).Nanoseconds()) }

// Add records an operation that has ended, or is given up. Reads without an answer say nothing and
// are left out.
func (h *History) Add(op Operation) {
	if op.Answer == nil && !op.Action.Changes() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, op)
	if op.Answer != nil {
		h.answered++
	}
}

// Answered counts the operations that were answered so far.
func (h *History) Answered() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answered
}

// Operations returns a copy of what was recorded, in the order of the calls.
func (h *History) Operations() []Operation {
	h.mu.Lock()
	list := slices.Clone(h.operations)
	h.mu.Unlock()
	slices.SortStableFunc(list, func(a, b Operation) int { return int(a.Called - b.Called) })
	return list
}

// WriteTo writes the history as one JSON object per line, in the order of the calls.
func (h *History) WriteTo(w io.Writer) (int64, error) {
	counted := &countingWriter{w: w}
	buffered := bufio.NewWriter(counted)
	encoder := json.NewEncoder(buffered)
	for _, op := range h.Operations() {
		if err := encoder.Encode(op); err != nil {
			return counted.n, fmt.Errorf("write the history: %w", err)
		}
	}
	return counted.n, buffered.Flush()
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// ReadHistory reads what WriteTo wrote. It refuses what WriteTo cannot have written, a history that
// ends in the middle of a line among it.
func ReadHistory(r io.Reader) ([]Operation, error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	var list []Operation
	for {
		var op Operation
		err := d.Decode(&op)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err == nil {
			err = op.check()
		}
		if err != nil {
			return nil, fmt.Errorf("operation %d of the history: %w", len(list)+1, err)
		}
		list = append(list, op)
	}
}

// check refuses an operation that no client can have recorded.
func (op *Operation) check() error {
	known := []Action{Read, Write, Swap, Add, List, Open, Transfer}
	switch {
	case !slices.Contains(known, op.Action):
		return fmt.Errorf("there is no action %q", op.Action)
	case op.Called < 0 || op.Answer != nil && op.Returned < op.Called:
		return fmt.Errorf("called at %d, answered at %d", op.Called, op.Returned)
	case op.Answer == nil && !op.Action.Changes():
		return errors.New("a read without an answer")
	}
	return nil
}
