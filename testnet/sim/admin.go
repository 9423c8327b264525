package sim

import (
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
)

// admin is who changes the members: for each change it starts the newcomers, gives out new keys,
// and submits the change through one member after the other until it is made, or the next one is
// wanted.
type admin struct {
	keys   []crypto.Signer
	latest int          // the change that is wanted; -1 before the first
	made   map[int]bool // changes that an epoch began with
	asked  map[crypto.Digest]*asked
}

// asked is a change that was submitted.
type asked struct {
	change *message.Change
	seats  []Seat
	signed bool // by enough
}

// adminTag is the tag of changes; results of it are nobody's.
const adminTag = 1 << 61

func (w *World) startAdmin() {
	for i := range w.opts.Changes {
		w.later(evAdmin, w.opts.Changes[i].At*1000, int64(i))
	}
}

// administer submits a change, again and again until it is made.
func (w *World) administer(i int) {
	if w.phase > phaseLive || i < w.admin.latest || w.admin.made[i] {
		return
	}
	c := &w.opts.Changes[i]
	if i > w.admin.latest {
		if w.phase != phaseFaults {
			return
		}
		w.admin.latest = i
		w.prepare(c)
	}
	w.later(evAdmin, 300_000+w.rnd[streamEpochs].Int64N(1_500_000), int64(i))
	rc := w.reconfiguration(c)
	n := w.gateway()
	if rc == nil || n == nil {
		return
	}
	w.tracef("the administrator asks %s for change %d", n.name(), i)
	w.guard(func() {
		n.loop.Submit(message.Item{Reconfig: rc}, "admin", adminTag)
	})
	n.wake()
}

// prepare starts the newcomers of a change, and restarts members with their new keys.
func (w *World) prepare(c *Change) {
	for _, s := range c.Seats {
		for _, n := range w.nodes {
			if n.replica != s.Replica {
				continue
			}
			if s.Second && !n.second {
				n.second = true
				w.crashFor(n, w.rnd[streamEpochs].Int64N(200_000))
			}
			if n.absent && !s.Absent {
				n.absent = false
				w.tracef("%s comes", n.name())
				at := w.now + 1 + w.rnd[streamEpochs].Int64N(300_000)
				w.plan(event{at: at, kind: evRestart}, n)
			}
		}
	}
}

// reconfiguration is a change with its signatures, of the last epoch that anybody has begun; nil if
// it would change nothing.
func (w *World) reconfiguration(c *Change) *message.Reconfiguration {
	e := w.newest()
	change := &message.Change{Epoch: e.cfg.Epoch, Params: e.cfg.Params}
	for _, s := range c.Seats {
		signer := w.signers[s.Replica][0]
		if s.Second {
			signer = w.signers[s.Replica][1]
		}
		m := message.ChangeMember{
			Name: fmt.Sprintf("n%d", s.Replica), Node: keys().nodes[s.Replica],
			Key: signer.Public().Bytes(),
		}
		if at := e.place[s.Replica]; at < 0 || !e.cfg.Members[at].Key.Equal(signer.Public()) {
			m.Proof = signer.Proof()
		}
		change.Members = append(change.Members, m)
	}
	if _, err := e.cfg.Next(change, message.Ref{}); err != nil {
		return nil
	}
	rc := &message.Reconfiguration{Change: change}
	for i := range c.Signs {
		rc.Approve(e.cfg, w.admin.keys[i])
	}
	w.admin.asked[change.Digest()] = &asked{change, c.Seats, c.Signs >= adminsNeeded}
	return rc
}

// open lists the changes that may still be made of the last epoch, by their seats.
func (w *World) openChanges() [][]Seat {
	var list [][]Seat
	epoch := w.newest().cfg.Epoch
	for i := range w.opts.Changes { // in an order that is always the same
		c := &w.opts.Changes[i]
		absent := slices.ContainsFunc(c.Seats, func(s Seat) bool { return s.Absent })
		if i > w.admin.latest || absent || c.Signs < adminsNeeded {
			continue
		}
		for _, a := range w.admin.asked {
			if a.change.Epoch == epoch && slices.Equal(a.seats, c.Seats) {
				list = append(list, c.Seats)
				break
			}
		}
	}
	return list
}
