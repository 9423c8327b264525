package traitor

import (
	"slices"

	"byzd/pbft/message"
)

// slowPrimary holds its proposals back.
type slowPrimary struct {
	honest
	*armed

	delay int64
	queue []delayed // ascending by when
}

type delayed struct {
	when int64
	o    Outgoing
}

// maxDelayed bounds what waits; beyond, proposals are lost, which a primary may do as well.
const maxDelayed = 1024

func newSlowPrimary(a *armed) trick {
	delay := a.spec.Delay
	if delay == 0 {
		delay = a.traitor.cfg.Cluster.Params.ViewTimeout * 3 / 4
	}
	return &slowPrimary{armed: a, delay: delay}
}

func (t *slowPrimary) say(now int64, o Outgoing) []Outgoing {
	p, is := o.Msg.(*message.PrePrepare)
	if !is || !t.at(o.To, place{p.View, p.Header.Seq}, idOf(o.To, p)) {
		return []Outgoing{o}
	}
	waits := func(d delayed) bool { return d.o.To == o.To && same(d.o, o) }
	if slices.ContainsFunc(t.queue, waits) {
		return nil // a repetition
	}
	if len(t.queue) < maxDelayed {
		t.queue = append(t.queue, delayed{now + t.delay, o})
	}
	t.fire(place{p.View, p.Header.Seq})
	return nil
}

// same reports whether two outgoing proposals are for one place.
func same(a, b Outgoing) bool {
	p, ok := a.Msg.(*message.PrePrepare)
	q, ok2 := b.Msg.(*message.PrePrepare)
	return ok && ok2 && p.View == q.View && p.Header.Seq == q.Header.Seq
}

func (t *slowPrimary) act(now int64) []Outgoing {
	var due []Outgoing
	t.queue = slices.DeleteFunc(t.queue, func(d delayed) bool {
		if d.when <= now {
			due = append(due, d.o)
		}
		return d.when <= now
	})
	return due
}

// censor hides its victims' bundles from its own replica while that leads.
type censor struct {
	honest
	*armed
}

func newCensor(a *armed) trick { return censor{armed: a} }

func (t censor) hear(_ int64, v message.Verified) []message.Verified {
	s, is := v.Message().(*message.Submission)
	at := t.traitor.seen.here()
	if !is || !t.traitor.leads(at.view) || !t.at(s.Bundle.Gateway, at, s.Bundle.Seq) {
		return []message.Verified{v}
	}
	t.fire(at)
	return nil
}
