package judge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// BoundDefault is how long progress may take.
const BoundDefault = 30 * time.Second

const (
	answerTime  = 2 * time.Second // for one answer
	answerBytes = 16 << 20
)

// pace is how often nodes are looked at, and how long a silent one is given when the others are
// done.
type pace struct{ look, silent time.Duration }

func usualPace() pace { return pace{look: 200 * time.Millisecond, silent: 3 * time.Second} }

// status is what the judge reads of a node's /status. It believes a node about what it is waiting
// for and what it lied, and about nothing else.
type status struct {
	Node     json.Number `json:"node"` // the member's number in its epoch, -1 of none
	Name     string      `json:"name"`
	Epoch    uint64      `json:"epoch"`
	Cluster  string      `json:"cluster"`
	Sequence uint64      `json:"sequence"`
	Pending  struct {
		Count    int   `json:"count"`
		OldestMS int64 `json:"oldest_ms"`
	} `json:"pending"`
	Traitors []struct {
		Spec  string         `json:"spec"`
		Fired map[string]int `json:"fired"`
	} `json:"traitors"`
}

// Lies are the lies that a node said it told, by behaviour; zero where one is armed only.
type Lies struct {
	Node  Name
	Fired map[string]int
}

// Watch looks at running nodes until everything that is pending at the correct ones is executed and
// all of them have got as far as the first one was, or the bound is over. Nodes that do not answer
// at all do not run, or are paused. It returns nil for a network of which no correct node answers,
// and the lies that the traitors say they told, or said before ([Node].Fired). Nodes whose numbers
// were not known say them.
//
// An operation that is pending for longer than the bound already needs no more waiting: the watch
// ends with it. History.Notice is told at once what is waited for.
//
// A network that is never empty of work is one that makes progress if everything that was pending
// when the watch began is executed: if at every node the oldest operation came after its first
// answer, and batches were executed.
func Watch(
	ctx context.Context, h *History, nodes []Node, bound time.Duration,
) (*Live, []Lies, error) {
	return watchAt(ctx, h, nodes, bound, usualPace())
}

func watchAt(
	ctx context.Context, h *History, nodes []Node, bound time.Duration, p pace,
) (*Live, []Lies, error) {
	w := &watch{
		h: h, pace: p, began: time.Now(), live: &Live{Bound: bound.Milliseconds()}, all: nodes,
	}
	for i := range nodes {
		if nodes[i].Operator != "" {
			w.nodes = append(w.nodes, &watched{Node: &nodes[i]})
		}
	}
	h.introduce(nodes)
	if len(w.nodes) == 0 {
		return nil, w.lies(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, bound+answerTime)
	defer cancel()
	ticker := time.NewTicker(p.look)
	defer ticker.Stop()
	for {
		w.look(ctx)
		if err := w.wrongGenesis(); err != nil {
			return nil, nil, err
		}
		if w.overdue() || w.done() || time.Since(w.began) >= bound {
			break
		}
		w.notice()
		h.progress("waiting for progress", int(time.Since(w.began).Milliseconds()),
			int(bound.Milliseconds()))
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-ticker.C:
		}
	}
	return w.result(), w.lies(), nil
}

// watch is a watch under way.
type watch struct {
	h      *History
	pace   pace
	all    []Node
	nodes  []*watched // those that may answer
	live   *Live
	began  time.Time
	target uint64
	said   bool // what is waited for
}

// watched is what is known of one node.
type watched struct {
	*Node

	answered bool // ever
	silent   bool // at the last look
	foreign  error
	first    time.Time // of its first answer
	began    uint64    // the sequence number in it
	last     status
	drained  bool
	observes bool // it is no member of the epoch that it is in
}

// look asks all nodes once, all at the same time.
func (w *watch) look(ctx context.Context) {
	var all sync.WaitGroup
	answers := make([]*answered, len(w.nodes))
	for i, n := range w.nodes {
		if n.foreign == nil && !n.settled(w.target) {
			all.Go(func() { answers[i] = ask(ctx, n.Operator) })
		}
	}
	all.Wait()
	for i, a := range answers {
		if a != nil {
			w.nodes[i].take(w.h, a)
		}
	}
	if w.target == 0 {
		for _, n := range w.nodes {
			if n.correct() {
				w.target = max(w.target, n.began)
			}
		}
	}
}

// correct reports whether progress is expected of a node: of a member that does not lie.
func (n *watched) correct() bool {
	return !n.Traitor && !n.observes && n.answered && n.foreign == nil
}

// settled reports whether a node need not be asked again.
func (n *watched) settled(target uint64) bool {
	return n.answered && !n.silent &&
		(n.Traitor || n.observes || n.drained && n.last.Sequence >= target)
}

// answered is what a node said, nil if it did not, and when it was asked and answered.
type answered struct {
	st    *status
	asked time.Time
	heard time.Time
}

// ask looks at one node.
func ask(ctx context.Context, operator string) *answered {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	a := &answered{asked: time.Now()}
	a.st, _ = readStatus(ctx, operator)
	a.heard = time.Now()
	return a
}

// take takes in what a node said.
func (n *watched) take(h *History, a *answered) {
	st := a.st
	n.silent = st == nil
	if n.silent {
		return
	}
	if why := n.stranger(h, st); why != nil {
		n.foreign, n.last = why, *st
		return
	}
	if !n.answered {
		n.answered, n.began, n.first = true, st.Sequence, a.heard
	}
	// The oldest operation came at asked-oldest or later.
	oldest := a.asked.Add(-time.Duration(st.Pending.OldestMS) * time.Millisecond)
	moved := st.Sequence > n.began && oldest.After(n.first)
	n.last = *st
	n.drained = n.drained || st.Pending.Count == 0 || moved
}

// stranger returns why what answers is not the node that was meant: ports are used again.
func (n *watched) stranger(h *History, st *status) error {
	if st.Cluster != "" && st.Cluster != h.Config.Cluster.String() {
		return fmt.Errorf("%s is of cluster %.8s", n.Operator, st.Cluster)
	}
	number, err := st.Node.Int64()
	if err != nil || number < -1 {
		return fmt.Errorf("%s calls itself node %q", n.Operator, st.Node)
	}
	n.observes = number < 0
	who := h.called(st.Name)
	switch {
	case n.observes && n.Number >= 0:
		return nil // who is no member yet has no name
	case n.observes && who < 0:
		return fmt.Errorf("%s is a node that is no member", n.Operator)
	case who >= 0:
	case st.Name != "" && st.Epoch > 0: // a member of a later epoch, whom nobody introduced
		who = len(h.people)
		h.people = append(h.people, person{name: st.Name})
	case number >= int64(len(h.Config.Members)) || st.Name != "" && number >= 0:
		return fmt.Errorf("%s calls itself node %q", n.Operator, st.Node)
	default:
		who = int(number)
	}
	if n.Number >= 0 && who != n.Number {
		return fmt.Errorf("%s is %s", n.Operator, h.name(who))
	}
	n.Number = who
	return nil
}

func readStatus(ctx context.Context, operator string) (st *status, err error) {
	resp, err := get(ctx, operator, "/status")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	st = &status{}
	if err := json.NewDecoder(io.LimitReader(resp.Body, answerBytes)).Decode(st); err != nil {
		return nil, fmt.Errorf("%s/status: %w", operator, err)
	}
	return st, nil
}

// ErrGenesis says that nodes that were named by their endpoints are not the genesis' cluster.
var ErrGenesis = errors.New("the genesis is of another cluster")

// wrongGenesis returns an error where a node that was named by its endpoint alone is of another
// cluster. One that was expected somewhere else may have left its port to a stranger.
func (w *watch) wrongGenesis() error {
	ours := w.h.Config.Cluster.String()
	for _, n := range w.nodes {
		theirs := n.last.Cluster
		if n.Home == "" && theirs != "" && theirs != ours {
			return fmt.Errorf("%w: %s is a node of cluster %.8s, the genesis is of %.8s",
				ErrGenesis, n.Operator, theirs, ours)
		}
	}
	return nil
}

// overdue reports whether something has been pending at a correct node for longer than the bound.
func (w *watch) overdue() bool {
	for _, n := range w.nodes {
		if n.correct() && n.late(w.live.Bound) {
			w.live.Early = true
		}
	}
	return w.live.Early
}

func (n *watched) late(bound int64) bool {
	return !n.silent && !n.drained && n.last.Pending.Count > 0 && n.last.Pending.OldestMS >= bound
}

// notice says once what is waited for.
func (w *watch) notice() {
	if w.said || w.h.Notice == nil {
		return
	}
	w.said = true
	limit := w.pace.silent // for nodes that may not even run
	var reasons []string
	for _, n := range w.nodes {
		switch who := w.whoIs(n); {
		case n.foreign != nil || (n.Traitor || n.observes) && n.answered:
		case n.silent:
			reasons = append(reasons, who+" to answer")
		case n.settled(w.target):
		case !n.drained:
			limit = w.bound()
			reasons = append(reasons, fmt.Sprintf("%d operations pending at %s",
				n.last.Pending.Count, who))
		default:
			limit = w.bound()
			reasons = append(reasons, fmt.Sprintf("%s to get from %d to %d", who,
				n.last.Sequence, w.target))
		}
	}
	if more := len(reasons) - noticeMax; more > 0 {
		reasons = append(reasons[:noticeMax], fmt.Sprintf("%d more", more))
	}
	w.h.Notice(fmt.Sprintf("waiting %.1f s at most for %s", min(limit, w.bound()).Seconds(),
		strings.Join(reasons, ", ")))
}

func (w *watch) bound() time.Duration { return time.Duration(w.live.Bound) * time.Millisecond }

// noticeMax bounds the nodes that are named.
const noticeMax = 4

func (w *watch) whoIs(n *watched) string {
	if n.Number < 0 {
		return n.Operator
	}
	return w.h.name(n.Number)
}

// done reports whether more looks would change nothing.
func (w *watch) done() bool {
	silent := false
	for _, n := range w.nodes {
		switch {
		case n.foreign != nil:
		case n.silent:
			silent = true
		case !n.settled(w.target):
			return false
		}
	}
	return !silent || time.Since(w.began) >= w.pace.silent
}

func (w *watch) result() *Live {
	for _, n := range w.nodes {
		if n.foreign != nil || !n.answered {
			continue
		}
		if n.observes {
			w.live.Notes = append(w.live.Notes, fmt.Sprintf("%s is no member of epoch %d: nothing "+
				"is expected of it", w.whoIs(n), n.last.Epoch))
			continue
		}
		if !n.Traitor {
			w.live.Nodes = append(w.live.Nodes, Watched{
				Node: n.Number, Silent: n.silent, Target: w.target, Executed: n.last.Sequence,
				Pending: n.last.Pending.Count, OldestMS: n.last.Pending.OldestMS,
				Drained: n.drained, Late: n.late(w.live.Bound),
			})
		}
	}
	for _, n := range w.nodes {
		switch {
		case n.Traitor:
		case n.foreign != nil:
			w.live.Notes = append(w.live.Notes, n.foreign.Error())
		case !n.answered:
			w.live.Notes = append(w.live.Notes,
				w.whoIs(n)+" does not answer: it does not run, or is paused")
		}
	}
	if len(w.live.Nodes) == 0 {
		return nil
	}
	return w.live
}

// lies are what was noted of each node before, and what those that answer say now, whichever is
// more: the one ends with the last look, the other begins with the process.
func (w *watch) lies() []Lies {
	answers := map[*Node]*status{}
	for _, n := range w.nodes {
		if n.answered && n.foreign == nil {
			answers[n.Node] = &n.last
		}
	}
	var lies []Lies
	for i := range w.all {
		n := &w.all[i]
		said := map[string]int{}
		if st := answers[n]; st != nil {
			for _, t := range st.Traitors {
				for name, count := range t.Fired {
					said[name] += count
				}
			}
		}
		for name, count := range n.Fired {
			said[name] = max(said[name], count)
		}
		if len(said) > 0 {
			lies = append(lies, Lies{w.h.nameOf(n.Number), said})
		}
	}
	return lies
}
