package loop

import (
	"cmp"
	"slices"

	"byzd/daemon/kv/merkle"
	"byzd/pbft"
	"byzd/pbft/message"
)

// source is one replica that pieces are asked of.
type source struct {
	open int   // questions that it has not answered
	gone int64 // it said that it does not have this state: it is asked again after a while
	liar bool  // a piece of its did not fit what was certified
	slow bool  // it let others be asked for what it was asked for: it is asked last
}

// ask is a question under way.
type ask struct {
	asked []int // whom it was put to: to one after another, while no answer comes
	at    int64 // when it was last put to somebody
}

// Limits of a transfer, times in milliseconds.
const (
	asksPerSource = 2
	hedgeAfter    = 500   // between two sources for one question, at first
	hedgeMax      = 8_000 // where nothing comes, as over a slow link
	goneFor       = 2_000
)

// forget ends a question.
func (l *Loop) forget(ref message.StateRef) {
	t := l.fetch
	if a := t.asks[ref]; a != nil {
		delete(t.asks, ref)
		for _, i := range a.asked {
			t.sources[i].open--
		}
	}
}

// withdraw takes a question back from a source; the path is asked for again if nobody else was
// asked.
func (l *Loop) withdraw(ref message.StateRef, from int) {
	t := l.fetch
	a := t.asks[ref]
	if a == nil || !slices.Contains(a.asked, from) {
		return
	}
	if len(a.asked) == 1 {
		l.forget(ref)
		t.retry(ref)
		return
	}
	a.asked = slices.DeleteFunc(a.asked, func(i int) bool { return i == from })
	t.sources[from].open--
}

func (t *transfer) retry(ref message.StateRef) {
	if b := t.parts[ref.Tree]; b != nil {
		if path, err := merkle.DecodePath([]byte(ref.Path)); err == nil {
			b.Retry(path)
		}
	}
}

// ask puts a question to the next source that has room, if there is one.
func (l *Loop) ask(ref message.StateRef) {
	if to := l.nextSource(nil); to >= 0 {
		a := &ask{}
		l.fetch.asks[ref] = a
		l.askOf(to, ref, a)
	}
}

func (l *Loop) askOf(to int, ref message.StateRef, a *ask) {
	a.asked, a.at = append(a.asked, to), l.now
	l.fetch.turn = to
	l.fetch.sources[to].open++
	m := &message.FetchState{Want: ref}
	if t := l.fetch; t.from != l.cfg.Cluster {
		l.sendNode(t.from.Members[to].Node, t.from.Epoch, m)
		return
	}
	l.say(pbft.Send{To: to, Msg: m})
}

// askOthers puts questions that are not answered to others. When there are no others left they
// begin anew, after a longer time: an answer that comes late is taken all the same.
func (l *Loop) askOthers() {
	t := l.fetch
	var late []message.StateRef
	for ref, a := range t.asks {
		if l.now-a.at >= t.patience {
			late = append(late, ref)
		}
	}
	sortRefs(late) // the order must not depend on a map
	for _, ref := range late {
		a := t.asks[ref]
		t.sources[a.asked[len(a.asked)-1]].slow = true
		if to := l.nextSource(a.asked); to >= 0 {
			l.askOf(to, ref, a)
			continue
		}
		l.forget(ref)
		t.retry(ref)
	}
	if len(late) > 0 {
		t.patience = min(2*t.patience, hedgeMax)
	}
}

// nextSource goes round the replicas that have room and are no liars, and that were not asked
// already, the slow ones last; it returns -1 if there is none.
func (l *Loop) nextSource(asked []int) int {
	t, last := l.fetch, -1
	for k := 1; k <= len(t.sources); k++ {
		i := (t.turn + k) % len(t.sources)
		s := &t.sources[i]
		self := t.from.Members[i].Node == l.node
		if self || s.liar || s.gone > l.now || s.open >= asksPerSource ||
			slices.Contains(asked, i) {
			continue
		}
		if !s.slow {
			return i
		}
		if last < 0 {
			last = i
		}
	}
	return last
}

// again is what is still known of a source when something else is fetched.
func (s source) again() source { return source{liar: s.liar, slow: s.slow} }

// exhausted reports whether this state is not to be had any more: some source said that it does not
// have it, and nobody has given a piece for a while. A source that is down never says anything, so
// there is no waiting for all of them.
func (l *Loop) exhausted() bool {
	t := l.fetch
	gone := slices.ContainsFunc(t.sources, func(s source) bool { return s.gone > l.now })
	return gone && l.now-t.pieceAt >= hedgeAfter
}

func sortRefs(refs []message.StateRef) {
	slices.SortFunc(refs, func(a, b message.StateRef) int {
		return cmp.Or(cmp.Compare(a.Tree, b.Tree), cmp.Compare(a.Path, b.Path))
	})
}
