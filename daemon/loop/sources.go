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
	slow int   // questions that it let expire
}

// ask is a question under way.
type ask struct {
	to, second int // second is whom it was put to when the first was slow, or -1
	at         int64
}

// Limits of a transfer, times in milliseconds.
const (
	asksPerSource = 2
	hedgeAfter    = 500
	askExpires    = 4_000
	goneFor       = 2_000
)

// forget ends a question.
func (l *Loop) forget(ref message.StateRef) {
	t := l.fetch
	a := t.asks[ref]
	if a == nil {
		return
	}
	delete(t.asks, ref)
	t.sources[a.to].open--
	if a.second >= 0 {
		t.sources[a.second].open--
	}
}

// withdraw takes a question back from a source; the path is asked for again if nobody else was
// asked.
func (l *Loop) withdraw(ref message.StateRef, a *ask, from int) {
	t := l.fetch
	switch {
	case a.second < 0:
		l.forget(ref)
		t.retry(ref)
		return
	case from == a.to:
		a.to = a.second
	}
	a.second = -1
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
	if to := l.nextSource(-1); to >= 0 {
		l.fetch.asks[ref] = &ask{to: to, second: -1, at: l.now}
		l.askOf(to, ref)
	}
}

func (l *Loop) askOf(to int, ref message.StateRef) {
	l.fetch.turn = to
	l.fetch.sources[to].open++
	l.say(pbft.Send{To: to, Msg: &message.FetchState{Want: ref}})
}

// nextSource goes round the replicas that have room and are no liars, and that are not the one
// that was asked already; it returns -1 if there is none.
func (l *Loop) nextSource(but int) int {
	t := l.fetch
	for k := 1; k <= len(t.sources); k++ {
		i := (t.turn + k) % len(t.sources)
		s := &t.sources[i]
		if i == l.cfg.Self || i == but || s.liar || s.gone > l.now || s.open >= asksPerSource {
			continue
		}
		return i
	}
	return -1
}

// overdue lists the questions that are slow, in a fixed order: it must not depend on a map.
func (l *Loop) overdue() []message.StateRef {
	var late []message.StateRef
	for ref, a := range l.fetch.asks {
		if l.now-a.at >= hedgeAfter {
			late = append(late, ref)
		}
	}
	sortRefs(late)
	return late
}

// exhausted reports whether every source lies or does not have the state.
func (l *Loop) exhausted() bool {
	for i := range l.fetch.sources {
		if s := &l.fetch.sources[i]; i != l.cfg.Self && !s.liar && s.gone <= l.now {
			return false
		}
	}
	return true
}

func sortRefs(refs []message.StateRef) {
	slices.SortFunc(refs, func(a, b message.StateRef) int {
		return cmp.Or(cmp.Compare(a.Tree, b.Tree), cmp.Compare(a.Path, b.Path))
	})
}
