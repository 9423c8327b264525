package nemesis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"byzd/testnet"
	"byzd/testnet/load"
)

// world is the network that is broken, and what is known of it.
type world struct {
	net      *testnet.Network
	history  *load.History
	sizes    [2]int // n and f
	patience time.Duration
	scratch  string // for copies
	filler   func(ctx context.Context) error
	say      func(string, ...any)

	mu  sync.Mutex
	out map[int]string // nodes that are charged to f by now, and why
}

// pollTime is between two looks at the network.
const pollTime = 50 * time.Millisecond

// charge counts a node among the f from now on.
func (w *world) charge(node int, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out[node] == "" {
		w.out[node] = why
	}
}

// charged lists the nodes that are charged by now.
func (w *world) charged() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []int
	for i := range w.sizes[0] {
		if w.out[i] != "" {
			list = append(list, i)
		}
	}
	return list
}

// withstands reports whether f covers the victims besides those that are charged.
func (w *world) withstands(victims []int) bool {
	all := append(w.charged(), victims...)
	slices.Sort(all)
	return len(slices.Compact(all)) <= w.sizes[1]
}

// until waits for a condition, for the world's patience at most. The condition says what is
// missing.
func (w *world) until(ctx context.Context, holds func(ctx context.Context) (missing string)) error {
	return w.untilEvery(ctx, pollTime, holds)
}

// untilEvery is until, which looks so often.
func (w *world) untilEvery(
	ctx context.Context, every time.Duration, holds func(ctx context.Context) (missing string),
) error {
	ctx, cancel := context.WithTimeout(ctx, w.patience)
	defer cancel()
	poll := time.NewTicker(every)
	defer poll.Stop()
	missing := "it was not looked at"
	for {
		// The last word of a look that was cut short says nothing.
		if now := holds(ctx); now == "" {
			return nil
		} else if ctx.Err() == nil {
			missing = now
		}
		select {
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return ctx.Err()
			}
			return fmt.Errorf("not within %v: %s", w.patience, missing)
		case <-poll.C:
		}
	}
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// progress waits until so many more operations are answered.
func (w *world) progress(ctx context.Context, more int) error {
	from := w.history.Answered()
	return w.until(ctx, func(context.Context) string {
		got := w.history.Answered() - from
		if got >= more {
			return ""
		}
		return fmt.Sprintf("%d of %d operations were answered", got, more)
	})
}

// votesLater is what a node says that follows the others and executes, and must not PREPARE in this
// view any more (rule R6 of the protocol): it has missed too much of it to show that it would not
// contradict itself. It has recovered as far as the protocol lets it.
const votesLater = "votes again in the next view"

// back waits until nodes are ready, or must wait for the next view to be. It returns the latter.
func (w *world) back(ctx context.Context, nodes ...int) (later []int, err error) {
	err = w.until(ctx, func(ctx context.Context) string {
		st, err := w.net.Status(ctx)
		if err != nil {
			return err.Error()
		}
		later = nil
		for _, i := range nodes {
			n := &st.Nodes[i]
			if n.Ready {
				continue
			}
			if !n.Answers || !strings.Contains(n.Reason, votesLater) {
				return fmt.Sprintf("node %d is not ready: %s", i, n.Reason)
			}
			later = append(later, i)
		}
		return ""
	})
	return later, err
}

// healthy lists the nodes that are not charged.
func (w *world) healthy() []int {
	charged := w.charged()
	var list []int
	for i := range w.sizes[0] {
		if !slices.Contains(charged, i) {
			list = append(list, i)
		}
	}
	return list
}

// leader is the primary of the highest view in which a node that is not charged is.
func (w *world) leader(ctx context.Context) (int, error) {
	leader := -1
	err := w.until(ctx, func(ctx context.Context) string {
		st, err := w.net.Status(ctx)
		if err != nil {
			return err.Error()
		}
		leader = -1
		view := uint64(0)
		for _, i := range w.healthy() {
			n := &st.Nodes[i]
			if n.Answers && n.Active && n.Primary >= 0 && (leader < 0 || n.View > view) {
				leader, view = n.Primary, n.View
			}
		}
		if leader < 0 {
			return "nobody knows who leads"
		}
		return ""
	})
	return leader, err
}

// node is what testnet.json says of a node.
func (w *world) node(i int) (testnet.NodeState, error) {
	st, err := w.net.State()
	if err != nil {
		return testnet.NodeState{}, err
	}
	return st.Nodes[i], nil
}

// metricsBytes bounds what is read of a node's metrics.
const metricsBytes = 4 << 20

// keptBack counts the frames, dials and accepts that the nodes' conditions have kept back or
// changed so far.
func (w *world) keptBack(ctx context.Context) (sum uint64) {
	for _, count := range w.conditions(ctx) {
		sum += count
	}
	return sum
}

// conditions is keptBack by what was done: drop, delay, duplicate, dial, accept.
func (w *world) conditions(ctx context.Context) map[string]uint64 {
	sums := map[string]uint64{}
	st, err := w.net.State()
	if err != nil {
		return sums
	}
	for i := range st.Nodes {
		if st.Nodes[i].Process == testnet.Running {
			addConditions(sums, metrics(ctx, st.Nodes[i].Operator))
		}
	}
	return sums
}

// metrics reads a node's metrics; empty if it does not answer.
func metrics(ctx context.Context, operator string) string {
	text, _ := ask(ctx, operator+"/metrics")
	return text
}

// askedReady reports whether a node says that it is ready, or that it follows and must wait for the
// next view.
func askedReady(ctx context.Context, operator string) bool {
	text, code := ask(ctx, operator+"/readyz")
	return code == http.StatusOK || strings.Contains(text, votesLater)
}

// ask reads a page of a node; the code is 0 if it does not answer.
func ask(ctx context.Context, url string) (text string, code int) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", 0
	}
	req.Close = true
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", 0
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, metricsBytes))
	if err != nil {
		return "", 0
	}
	return string(data), resp.StatusCode
}

// addConditions adds what a transport's conditions did.
func addConditions(sums map[string]uint64, text string) {
	for line := range strings.Lines(text) {
		rest, ours := strings.CutPrefix(line, `byzd_transport_total{what="conditions_`)
		what, value, whole := strings.Cut(rest, `"} `)
		if !ours || !whole {
			continue
		}
		if n, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && n > 0 {
			sums[what] += uint64(n)
		}
	}
}
