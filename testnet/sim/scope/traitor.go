package scope

import (
	"slices"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// place is what a vote is for.
type place struct {
	kind      crypto.Kind
	view, seq uint64
	digest    crypto.Digest
}

func placeOf(v *message.Vote) place { return place{v.Kind, v.View, v.Seq, v.Digest} }

// available returns everything that can be delivered once correct replicas have sent these: they
// and whatever the traitors can make with their own keys and with the signatures that they saw. It
// only grows with its argument.
func (w *world) available(sent set) set {
	if all, known := w.powers[sent]; known {
		return all
	}
	all := sent
	for again := len(w.liars) > 0; again; {
		before := all
		w.lie(&all)
		again = all != before
	}
	w.powers[sent] = all
	return all
}

// tell adds a traitor's message to a set, unless everybody would refuse it.
func (w *world) tell(all *set, t int, m message.Message) {
	if id := w.enter(t, pbft.All, m); id >= 0 {
		all.add(id)
	}
}

// lie adds what the traitors can say in the light of a set of messages.
func (w *world) lie(all *set) {
	for _, t := range w.liars {
		w.lieProposals(all, t)
		w.lieVotes(all, t)
		if w.scope.Checkpoints {
			w.lieCheckpoints(all, t)
		}
		if w.scope.Transfers {
			w.lieOffers(all, t)
		}
		if w.scope.Views > 1 {
			w.lieChanges(all, t)
			w.lieNewViews(all, t)
			if !w.scope.Certified {
				w.lieComplaints(all, t)
			}
		}
	}
	w.lieProofs(all)
	if w.scope.Certified && !w.scope.Whole {
		w.lieBodies(all)
	}
}

func (w *world) lieComplaints(all *set, t int) {
	for view := range w.scope.Views - 1 {
		w.tell(all, t, &message.Complain{
			View: view, Reason: message.ReasonSilent, Lifetime: 2000,
		})
	}
}

// proposal is one of the batches that a primary that lies proposes. Those of a view form chains:
// each variant extends the one of its kind.
func (w *world) proposal(view, seq uint64, variant int) message.Header {
	parent := w.cfg.Base.Digest
	if seq > 1 {
		before := w.proposal(view, seq-1, variant)
		parent = before.Digest()
	}
	b := w.bundles[seq-1]
	return message.Header{
		Cluster: w.cfg.Cluster, Epoch: w.cfg.Epoch, Seq: seq, Parent: parent,
		Root: message.BatchRoot([]crypto.Digest{b.ID()}), Requests: 1,
		Bytes:  uint32(b.Size()), //nolint:gosec // small
		TimeMS: clockStart + int64(variant), PropView: view,
	}
}

func (w *world) lieProposals(all *set, t int) {
	for view := range w.scope.Views {
		if w.cfg.Primary(view) != t {
			continue
		}
		for k := range w.scope.Seqs {
			seq := uint64(k) + 1
			for variant := range w.scope.Digests {
				w.propose(all, t, w.proposal(view, seq, variant))
			}
			if view > 0 && seq > 1 {
				w.lieContinuations(all, t, view, seq)
			}
		}
	}
}

func (w *world) propose(all *set, t int, h message.Header) {
	w.tell(all, t, &message.PrePrepare{
		View: h.PropView, Header: h, IDs: []crypto.Digest{w.bundles[h.Seq-1].ID()},
	})
}

// lieContinuations proposes a batch on top of each batch of an earlier view.
func (w *world) lieContinuations(all *set, t int, view, seq uint64) {
	for _, parent := range w.batches(*all) {
		if parent.Seq+1 == seq && parent.PropView < view {
			h := w.proposal(view, seq, 0)
			h.Parent = parent.Digest()
			w.propose(all, t, h)
		}
	}
}

// batches lists the batches that a set of messages proposes, the base first.
func (w *world) batches(all set) []message.Header {
	list := []message.Header{}
	for id := range all.all() {
		if p, is := w.said[id].msg.(*message.PrePrepare); is {
			list = append(list, p.Header)
		}
	}
	return list
}

// lieVotes votes for every batch, in every view in which anybody may, with or against its others.
func (w *world) lieVotes(all *set, t int) {
	vote := func(kind crypto.Kind, view uint64, ref message.Ref) {
		w.tell(all, t, &message.Vote{
			Kind: kind, View: view, Seq: ref.Seq, Digest: ref.Digest, Voter: t,
		})
	}
	for view := uint64(1); view < w.scope.Views; view++ {
		vote(crypto.KindPrepare, view, w.cfg.Base)
		vote(crypto.KindCommit, view, w.cfg.Base)
	}
	for _, h := range w.batches(*all) {
		ref := message.Ref{Seq: h.Seq, Digest: h.Digest()}
		for view := h.PropView; view < w.scope.Views; view++ {
			if view != h.PropView || w.cfg.Primary(view) != t {
				vote(crypto.KindPrepare, view, ref)
			}
			vote(crypto.KindCommit, view, ref)
		}
	}
	if w.scope.Junk {
		ref := message.Ref{Seq: 1, Digest: crypto.Hash("scope/junk")}
		vote(crypto.KindPrepare, 0, ref)
		vote(crypto.KindCommit, 0, ref)
	}
}

func (w *world) lieCheckpoints(all *set, t int) {
	for _, h := range w.batches(*all) {
		if h.Seq%w.scope.CheckpointEvery != 0 {
			continue
		}
		d := h.Digest()
		for _, root := range []crypto.Digest{rootOf(d), crypto.Hash("scope/false-root", d[:])} {
			w.tell(all, t, &message.Checkpoint{Seq: h.Seq, Digest: d, Root: root, Voter: t})
		}
	}
}

// lieOffers says of every certified state that it is where the log begins, or that the log begins
// long after.
func (w *world) lieOffers(all *set, t int) {
	for _, c := range w.checkpoints(*all)[1:] {
		for _, first := range []uint64{c.Seq + 1, c.Seq + 5} {
			w.tell(all, t, &message.Offer{First: first, Snapshot: c})
		}
	}
}

// certificates makes every certificate of a kind that the signatures of a set allow, in the order
// of their ranks.
func (w *world) certificates(all set, kind crypto.Kind) []*message.Certificate {
	votes := map[place][]*message.Vote{}
	var order []place
	for id := range all.all() {
		for _, v := range w.said[id].votes {
			if at := placeOf(v); v.Kind == kind {
				if votes[at] == nil {
					order = append(order, at)
					votes[at] = make([]*message.Vote, len(w.cfg.Members))
				}
				votes[at][v.Voter] = v
			}
		}
	}
	var list []*message.Certificate
	for _, at := range order {
		if c := w.certify(at, votes[at]); c != nil {
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, func(a, b *message.Certificate) int {
		switch {
		case a.Rank().Less(b.Rank()):
			return -1
		case b.Rank().Less(a.Rank()):
			return 1
		}
		return 0
	})
	return list
}

// certify makes a certificate of the first votes for a place, listed by voter, or nil of too few.
func (w *world) certify(at place, votes []*message.Vote) *message.Certificate {
	c := &message.Certificate{
		Kind: at.kind, View: at.view, Seq: at.seq, Digest: at.digest, Signers: quorum.Set{},
	}
	var sigs [][]byte
	for i, v := range votes {
		if v != nil && len(sigs) < w.cfg.Sizes.Quorum {
			c.Signers = c.Signers.Add(i)
			sigs = append(sigs, v.Sig)
		}
	}
	if len(sigs) != w.cfg.Sizes.Quorum {
		return nil
	}
	c.Aggregate = w.aggregate(sigs)
	return c
}

func (w *world) aggregate(sigs [][]byte) []byte {
	a, err := w.cfg.Scheme.Aggregate(sigs)
	if err != nil {
		panic("scope: signatures do not aggregate: " + err.Error())
	}
	return a
}

// checkpoints makes every checkpoint certificate that the signatures of a set allow, the base's
// first.
func (w *world) checkpoints(all set) []*message.CheckpointCertificate {
	type state struct {
		seq          uint64
		digest, root crypto.Digest
	}
	votes := map[state][]*message.Checkpoint{}
	var order []state
	for id := range all.all() {
		if c, is := w.said[id].msg.(*message.Checkpoint); is {
			at := state{c.Seq, c.Digest, c.Root}
			if votes[at] == nil {
				order = append(order, at)
				votes[at] = make([]*message.Checkpoint, len(w.cfg.Members))
			}
			votes[at][c.Voter] = c
		}
	}
	list := []*message.CheckpointCertificate{w.cfg.BaseCheckpoint()}
	for _, at := range order {
		cert := &message.CheckpointCertificate{Seq: at.seq, Digest: at.digest, Root: at.root}
		var sigs [][]byte
		for i, c := range votes[at] {
			if c != nil && len(sigs) < w.cfg.Sizes.Quorum {
				cert.Signers = cert.Signers.Add(i)
				sigs = append(sigs, c.Sig)
			}
		}
		if len(sigs) == w.cfg.Sizes.Quorum {
			cert.Aggregate = w.aggregate(sigs)
			list = append(list, cert)
		}
	}
	return list
}

// lieChanges shows in a VIEW-CHANGE each certificate that exists: the right one, or one that hides
// it.
func (w *world) lieChanges(all *set, t int) {
	highs := append([]*message.Certificate{w.cfg.BaseCertificate()},
		w.certificates(*all, crypto.KindPrepare)...)
	stables := w.checkpoints(*all)
	for view := uint64(1); view < w.scope.Views; view++ {
		for _, high := range highs {
			if high.View >= view {
				continue
			}
			for _, stable := range stables {
				w.tell(all, t, &message.ViewChange{
					Stmt: message.VcStmt{Voter: t, Tuple: message.Tuple{
						NewView: view, High: high.Ref(), HighView: high.View,
						Stable: stable.Ref(), Root: stable.Root,
					}},
					High: high, Stable: stable,
				})
			}
		}
	}
}

// lieNewViews makes a NEW-VIEW of every quorum of VIEW-CHANGEs, with and without the primary's
// PREPARE.
func (w *world) lieNewViews(all *set, t int) {
	for view := uint64(1); view < w.scope.Views; view++ {
		if w.cfg.Primary(view) != t {
			continue
		}
		changes := make([][]*message.ViewChange, len(w.cfg.Members))
		for id := range all.all() {
			if c, is := w.said[id].msg.(*message.ViewChange); is && c.Stmt.NewView == view {
				changes[c.Stmt.Voter] = append(changes[c.Stmt.Voter], c)
			}
		}
		w.choose(changes, nil, func(quorum []*message.ViewChange) {
			for _, prepares := range []bool{true, false} {
				w.tell(all, t, w.newView(view, quorum, prepares))
			}
		})
	}
}

// choose goes through all quorums of changes with one of each voter.
func (w *world) choose(
	changes [][]*message.ViewChange, chosen []*message.ViewChange,
	each func([]*message.ViewChange),
) {
	if len(chosen) == w.cfg.Sizes.Quorum {
		each(chosen)
		return
	}
	for i := range changes {
		for _, c := range changes[i] {
			rest := make([][]*message.ViewChange, len(changes))
			copy(rest[i+1:], changes[i+1:])
			w.choose(rest, append(slices.Clone(chosen), c), each)
		}
	}
}

func (w *world) newView(
	view uint64, changes []*message.ViewChange, prepares bool,
) *message.NewView {
	m := &message.NewView{View: view, Stable: w.cfg.BaseCheckpoint(), HoldsChain: prepares}
	for _, c := range changes {
		m.Stmts = append(m.Stmts, c.Stmt)
		if m.Base == nil || m.Base.Rank().Less(c.High.Rank()) {
			m.Base = c.High
		}
		if m.Stable.Seq < c.Stable.Seq {
			m.Stable = c.Stable
		}
	}
	return m
}

// lieProofs shows every certificate that exists to whoever has not gathered it.
func (w *world) lieProofs(all *set) {
	t := w.liars[0]
	for _, c := range w.certificates(*all, crypto.KindPrepare) {
		w.tell(all, t, &message.Proof{Prepared: c})
	}
	for _, c := range w.certificates(*all, crypto.KindCommit) {
		w.tell(all, t, &message.Proof{Commit: c})
	}
	for _, c := range w.checkpoints(*all)[1:] {
		w.tell(all, t, &message.Proof{Checkpoint: c})
	}
}

// lieBodies hands out every batch that a certificate names: who learns of the certificate first
// must be able to fetch the batch, from whoever has it.
func (w *world) lieBodies(all *set) {
	for _, c := range w.certificates(*all, crypto.KindPrepare) {
		h, known := w.headers[c.Digest]
		for _, b := range w.bundles {
			if known && h.Root == message.BatchRoot([]crypto.Digest{b.ID()}) {
				w.tell(all, w.liars[0], &message.BatchReply{
					Batch: &message.Batch{Header: h, Bundles: []*message.Bundle{b}},
				})
			}
		}
	}
}
