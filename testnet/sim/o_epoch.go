package sim

import (
	"slices"

	"byzd/crypto"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
)

// outsiders is O20 for what comes of another epoch, or from whoever is no member.
type outsiders struct {
	before  crypto.Digest // of the replica that such a message comes to
	watched int
}

// outsidersMax bounds how many fingerprints a run takes for it.
const outsidersMax = 48

// begins is told by each node that an epoch has begun. The first one says what the epoch is, and
// must be right; the others must say the same.
func (w *World) begins(n *node, now *message.Config) {
	o := w.oracles
	if e := w.era(now.Epoch); e != nil {
		if n.correct && (e.cfg.Digest() != now.Digest() || e.cfg.Base != now.Base) {
			w.fail("O1", "replica %d begins epoch %d with %d members after batch %d %s, another "+
				"one with %d after batch %d %s", n.replica, now.Epoch, now.Sizes.N, now.Base.Seq,
				now.Base.Digest.Short(), e.cfg.Sizes.N, e.cfg.Base.Seq, e.cfg.Base.Digest.Short())
		}
		return
	}
	before := w.newest()
	e := newEra(now)
	w.eras = append(w.eras, e)
	w.topView = 0
	w.tracef("epoch %d begins after batch %d", now.Epoch, now.Base.Seq)
	if now.Epoch != before.cfg.Epoch+1 {
		w.fail("O2", "replica %d begins epoch %d after epoch %d", n.replica, now.Epoch,
			before.cfg.Epoch)
	}
	if o.decided[now.Base.Seq] != now.Base.Digest {
		w.fail("O5", "replica %d begins epoch %d after batch %d %s, which nobody certified",
			n.replica, now.Epoch, now.Base.Seq, now.Base.Digest.Short())
	}
	w.noteEra(before, e)
	made := false
	for i := range w.opts.Changes {
		if c := &w.opts.Changes[i]; c.Signs >= adminsNeeded && w.leadsTo(c, e) {
			w.admin.made[i], made = true, true
		}
	}
	if !made {
		w.fail("O3", "epoch %d has members that no administrator wants", now.Epoch)
	}
	if b := o.body(now.Base.Digest); b != nil {
		o.approved(e, b)
	}
}

// leadsTo reports whether an epoch has the members that a change wants, in their order.
func (w *World) leadsTo(c *Change, e *era) bool {
	return slices.EqualFunc(c.Seats, e.replicas, func(s Seat, r int) bool {
		key := w.signers[r][0]
		if s.Second {
			key = w.signers[r][1]
		}
		return s.Replica == r && e.cfg.Members[e.place[r]].Key.Equal(key.Public())
	})
}

// approved is O5 for the batch that led to an epoch: enough administrators want the change, and as
// many members of the new epoch as it needs are ready, all newcomers and new keys among them. It
// shares the digest of a change with the core, and counts signatures by itself.
func (o *oracles) approved(e *era, b *message.Batch) {
	w := o.w
	before := w.eras[e.cfg.Epoch-1]
	fail := func(why string) {
		w.fail("O5", "batch %d ended epoch %d: %s", b.Header.Seq, before.cfg.Epoch, why)
	}
	if len(b.Bundles) != 1 || len(b.Bundles[0].Items) != 1 ||
		b.Bundles[0].Items[0].Reconfig == nil {
		fail("it is no change alone")
		return
	}
	rc := b.Bundles[0].Items[0].Reconfig
	digest := rc.Change.Digest()
	if a := w.admin.asked[digest]; a == nil || !a.signed || rc.Change.Epoch != before.cfg.Epoch {
		fail("no administrator wants that")
	}
	admins := map[int]bool{}
	for _, a := range rc.Approvals {
		stmt := o.plain(crypto.KindAdmin, before.cfg.Epoch, digest[:])
		if a.Admin < len(w.admin.keys) && w.cfg.Scheme.Verify(
			w.admin.keys[a.Admin].Public(), stmt, a.Sig) {
			admins[a.Admin] = true
		}
	}
	if len(admins) < adminsNeeded {
		fail("too few administrators signed it")
	}
	ready := map[int]bool{}
	for _, m := range rc.Ready {
		header := m.Header.Digest()
		stmt := o.plain(crypto.KindReady, before.cfg.Epoch, append(digest[:], header[:]...))
		age := b.Header.TimeMS - m.Header.TimeMS
		if m.Member < len(e.cfg.Members) && age >= 0 && age <= 10*60_000 &&
			w.cfg.Scheme.Verify(e.cfg.Members[m.Member].Key, stmt, m.Sig) {
			ready[m.Member] = true
		}
	}
	if n := len(e.cfg.Members); len(ready) < (n+(n-1)/3)/2+1 {
		fail("too few members of the next epoch are ready")
	}
	for i, r := range e.replicas {
		at := before.place[r]
		same := at >= 0 && before.cfg.Members[at].Key.Equal(e.cfg.Members[i].Key)
		if !same && !ready[i] {
			fail("a newcomer, or who has a new key, is not ready")
		}
	}
	w.mark(markChangeChecked)
}

// plain is what somebody signs, in the bytes of PROTOCOL §4.3.
func (o *oracles) plain(kind crypto.Kind, epoch uint64, body []byte) []byte {
	stmt := o.statement(ballot{kind: crypto.KindCheckpoint, epoch: epoch})
	out := append([]byte(nil), stmt[:len(stmt)-8-2*len(crypto.Digest{})]...)
	out[len("byzd/1\x00")] = byte(kind)
	return append(out, body...)
}

// answered looks at what became of a change that was ordered.
func (o *oracles) answered(b *message.Batch, v pbft.Verdict, result string) {
	rc := b.Bundles[v.Bundle].Items[v.Item].Reconfig
	if rc == nil {
		return
	}
	w := o.w
	a := w.admin.asked[rc.Change.Digest()]
	switch {
	case a == nil:
	case !a.signed:
		w.mark(markFewSigned)
		if result == "made" || result == "announced" {
			w.fail("O3", "a change that too few administrators signed is %s in batch %d",
				result, b.Header.Seq)
		}
	case rc.Change.Epoch < b.Header.Epoch:
		w.mark(markChangeTwice)
		if result == "made" || result == "announced" {
			w.fail("O4", "a change of epoch %d is %s in epoch %d", rc.Change.Epoch, result,
				b.Header.Epoch)
		}
	}
}

// beforeOutside takes a fingerprint before an outsider's message comes.
func (o *oracles) beforeOutside(n *node, p *packet) {
	o.before = crypto.Digest{}
	if loop.LeadsAhead(p.msg) {
		return // it may lead the replica's owner to another one
	}
	if n.correct && o.watched < outsidersMax && o.w.rnd[streamEpochs].IntN(8) == 0 {
		o.watched++
		o.before = n.loop.Replica().Fingerprint()
	}
}

// outside is O20: an outsider's message leaves the replica as it is, and the epoch, too.
func (o *oracles) outside(n *node, p *packet) {
	w := o.w
	w.noteOutside(n, p)
	if p.bad {
		w.mark(markCorruptRefused)
	}
	if o.before.IsZero() {
		return
	}
	w.mark(markOutsideChecked)
	if n.loop.Replica().Fingerprint() != o.before {
		w.fail("O20", "replica %d in epoch %d: a message of epoch %d changed the state: %s",
			n.replica, n.era().cfg.Epoch, p.epoch, w.describe(p))
	}
	o.before = crypto.Digest{}
}

// oneEpoch demands at the end that all correct members are in the last epoch, and that whoever
// knows the first one only can follow what they keep to it.
func (o *oracles) oneEpoch() {
	w := o.w
	last := w.newest()
	for _, n := range w.nodes {
		if !n.correct || !n.up || !last.has(n.replica) {
			continue
		}
		if n.era() != last {
			w.fail("O1", "replica %d is in epoch %d, and the last one is %d", n.replica,
				n.era().cfg.Epoch, last.cfg.Epoch)
			continue
		}
		cfg, err := message.FollowEpochs(w.cfg, n.loop.Ends())
		if err != nil || cfg.Digest() != last.cfg.Digest() || cfg.Base != last.cfg.Base {
			w.fail("O5", "the proofs that replica %d keeps do not lead to epoch %d: %v",
				n.replica, last.cfg.Epoch, err)
		}
	}
	if n := w.admin.latest; n >= 0 && !w.admin.made[n] && w.marks[markAnnounced] > 0 {
		w.mark(markNeverMade)
	}
}
