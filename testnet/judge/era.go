package judge

import (
	"slices"
	"strings"

	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// era is one epoch: who its members are, and what they signed in it. What ended the epoch before it
// is what leads there from the genesis. Should more members lie than an epoch withstands, it may
// have ended twice, and then there are two eras of the next one.
type era struct {
	cfg    *message.Config
	before *era                // nil for the first
	led    *message.EpochProof // from the era before to this one
	people []int               // the nodes that its members are
	said   statements
	seen   map[*message.Record]bool // records whose statements are in said
	// verified are certificates and other signed things that were checked.
	verified map[any]error
}

// begin adds an era.
func (h *History) begin(cfg *message.Config, before *era, led *message.EpochProof) *era {
	e := &era{
		cfg: cfg, before: before, led: led, seen: map[*message.Record]bool{},
		verified: map[any]error{},
	}
	for i := range cfg.Members {
		e.people = append(e.people, h.meet(&cfg.Members[i]))
	}
	h.eras = append(h.eras, e)
	return e
}

// node is the number of the node that a member is, or -1.
func (e *era) node(member int) int {
	if member < 0 || member >= len(e.people) {
		return -1
	}
	return e.people[member]
}

// has reports whether a node is a member.
func (e *era) has(node int) bool {
	return slices.Contains(e.people, node)
}

// chain is what leads from the genesis to this era.
func (e *era) chain() []*message.EpochProof {
	if e.before == nil {
		return nil
	}
	return append(e.before.chain(), e.led)
}

// lead returns the era that a proof leads to from one, which is a new one if nothing has led there
// yet, or nil if the proof does not hold. Whether it holds is message code, which the judge and the
// core share as they share the forms of messages; what the batch that it is about makes of the
// members is computed again in the replay.
func (h *History) lead(e *era, p *message.EpochProof) *era {
	for _, next := range h.eras {
		if next.before == e && next.cfg.Base == p.Manifest.Ref() &&
			next.cfg.Digest() == p.Manifest.Config {
			return next
		}
	}
	var next *message.Config
	err := h.verifyOnce(e, p, p.Certificate.Signers.Count(), func(cfg *message.Config) error {
		var err error
		next, err = message.FollowEpochs(cfg, []*message.EpochProof{p})
		return err
	})
	if err != nil || next == nil || next.Epoch != e.cfg.Epoch+1 {
		return nil
	}
	return h.begin(next, e, p)
}

// follow finds the epochs that the proofs in the journals lead to.
func (h *History) follow() {
	for next := 0; next < len(h.eras); next++ { //nolint:intrange // it grows
		e := h.eras[next]
		for _, p := range h.ends[e.cfg.Epoch] {
			h.lead(e, p)
		}
	}
}

// eraOf is the era of an epoch as a log's node lived through it, or nil if nothing leads there.
func (h *History) eraOf(l *Log, epoch uint64) *era {
	if len(l.path) == 0 {
		l.path = append(l.path, h.eras[0])
	}
	for uint64(len(l.path)) <= epoch {
		last := l.path[len(l.path)-1]
		var next *era
		for _, p := range l.ends[last.cfg.Epoch] {
			if next == nil {
				next = h.lead(last, p)
			}
		}
		for _, e := range h.eras {
			if next == nil && e.before == last {
				next = e
			}
		}
		if next == nil {
			return nil
		}
		l.path = append(l.path, next)
	}
	return l.path[epoch]
}

// latest is the last epoch that the correct nodes' logs lead to.
func (h *History) latest() *era {
	last := h.eras[0]
	for _, e := range h.eras {
		if e.cfg.Epoch > last.cfg.Epoch {
			last = e
		}
	}
	return last
}

// settle sorts everything that was read and heard by its epoch. It may be called again after more
// was.
func (h *History) settle() {
	h.follow()
	for _, l := range h.Logs {
		h.sortLog(l)
	}
	heard := h.unheard
	h.unheard = nil
	for _, m := range heard {
		h.HearIn(m.epoch, m.Message)
	}
}

// members calls some members of an era by their names.
func (h *History) members(e *era, set quorum.Set) string {
	var names []string
	for _, i := range set.Members() {
		names = append(names, h.name(e.node(i)))
	}
	return strings.Join(names, ", ")
}

// in says of which epoch something is, where there is more than one.
func (e *era) in() string {
	if e.cfg.Epoch == 0 {
		return ""
	}
	return " of epoch " + decimal(e.cfg.Epoch)
}
