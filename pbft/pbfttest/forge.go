package pbfttest

import (
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// forge lets a traitor say something:
//
//	forge pre-prepare from=0 to=(3) seq=1 ops=(b) [view=0] [after=NAME] [time=ms] [bodies=(1,2)]
//	forge prepare|commit from=0 to=(1,2) [view=0] batch=NAME, or digest=any seq=1
//	forge view-change from=2 to=(0,1) view=2 [high=NAME high-view=0] [stable]
//	forge new-view from=1 to=(2) view=1 votes=(0,1,3) [bare]
//	forge status from=0 to=(1) executed=1000
//
// Batches are named as in the trace. after is the parent, the epoch's base if it is left out. time
// is added to the network's clock. The bundles of a pre-prepare go to the same nodes, or to bodies.
// The certificate behind high is made of signatures that went over the network and the traitor's
// own. A bare NEW-VIEW carries no PREPARE of the base. What is forged passes block, but not hold.
func (s *Script) forge(a *arguments) string {
	n := len(s.net.Nodes)
	what, from, to := a.first(), a.node("from", n), a.nodes("to", n)
	view := uint64(a.number("view", 0)) //nolint:gosec // a script's number
	if a.err == "" && !s.net.Traitors[from] {
		a.fail("node %d is no traitor", from)
	}
	if a.err != "" {
		return ""
	}
	var m message.Message
	switch what {
	case "pre-prepare":
		m = s.forgePrePrepare(a, from, to, view)
	case "prepare", "commit":
		m = s.forgeVote(a, what, view)
	case "view-change":
		m = s.forgeChange(a, from, view)
	case "new-view":
		m = s.forgeNewView(a, view)
	case "status":
		at := uint64(a.number("executed", 0)) //nolint:gosec // a script's number
		m = &message.Status{
			View: view, Target: view, Executed: at, Stable: at, Tip: at,
			Committed: message.Rank{View: view, Seq: at}, High: message.Rank{View: view, Seq: at},
		}
	default:
		a.fail("nobody can forge %q", what)
	}
	if a.err != "" {
		return ""
	}
	s.net.Nodes[from].Sealer.Seal(m)
	for _, i := range to {
		s.slip(Envelope{From: from, To: i, Msg: m})
	}
	return ""
}

// slip sends a forgery past everything but hold.
func (s *Script) slip(e Envelope) {
	if e.From == e.To {
		return // it knows what it makes up
	}
	s.heard(e.Msg)
	if slices.ContainsFunc(s.holds, func(m match) bool { return m.takes(e) }) {
		s.held = append(s.held, e)
		return
	}
	s.net.Queue = append(s.net.Queue, e)
}

func (s *Script) batch(a *arguments, key string) *message.Batch {
	name := a.text(key, "")
	b := s.byName[name]
	if b == nil {
		a.fail("%s=%s: no batch has that name", key, name)
		return &message.Batch{}
	}
	return b
}

func (s *Script) forgePrePrepare(a *arguments, from int, to []int, view uint64) message.Message {
	ops, _ := a.find("ops")
	items := s.items(a, ops)
	if a.err != "" {
		return nil
	}
	bundle := s.net.bundle(from, items)
	b := &message.Batch{
		Header: message.Header{
			Cluster: s.net.Config.Cluster, Epoch: s.net.Config.Epoch, PropView: view,
			Seq:    uint64(a.number("seq", 1)), //nolint:gosec // a script's number
			Parent: s.net.Config.Base.Digest, TimeMS: s.net.Now + a.number("time", 0),
			Requests: uint32(len(items)), Bytes: uint32(bundle.Size()), //nolint:gosec // small
		},
		Bundles: []*message.Bundle{bundle},
	}
	if a.has("after") {
		parent := s.batch(a, "after")
		b.Header.Parent = parent.Header.Digest()
	}
	b.Header.Root = message.BatchRoot(b.IDs())
	s.learn(b)
	bodies := to
	if a.has("bodies") {
		bodies = a.nodes("bodies", len(s.net.Nodes))
	}
	for _, i := range bodies {
		s.slip(Envelope{From: from, To: i, Msg: &message.Submission{Bundle: bundle}})
	}
	return &message.PrePrepare{View: view, Header: b.Header, IDs: b.IDs()}
}

func (s *Script) forgeVote(a *arguments, what string, view uint64) message.Message {
	kind := crypto.KindPrepare
	if what == "commit" {
		kind = crypto.KindCommit
	}
	if name := a.text("digest", ""); name != "" { // of a batch that does not exist
		seq := uint64(a.number("seq", 1)) //nolint:gosec // a script's number
		return &message.Vote{
			Kind: kind, View: view, Seq: seq, Digest: crypto.Hash("pbfttest/digest", []byte(name)),
		}
	}
	h := s.batch(a, "batch").Header
	return &message.Vote{Kind: kind, View: view, Seq: h.Seq, Digest: h.Digest()}
}

// certificate makes a prepared certificate of what was seen and of the traitors' own signatures.
func (s *Script) certificate(a *arguments, h message.Header, view uint64) *message.Certificate {
	c := &message.Certificate{
		Kind: crypto.KindPrepare, View: view, Seq: h.Seq, Digest: h.Digest(), Signers: quorum.Set{},
	}
	votes := s.votes[fmt.Sprint(c.Kind, c.View, c.Seq, c.Digest)]
	var sigs [][]byte
	for i, node := range s.net.Nodes {
		sig := votes[i]
		if sig == nil && s.net.Traitors[i] {
			v := &message.Vote{Kind: c.Kind, View: c.View, Seq: c.Seq, Digest: c.Digest}
			node.Sealer.Seal(v)
			sig = v.Sig
		}
		if sig != nil && len(sigs) < s.net.Config.Sizes.Quorum {
			c.Signers = c.Signers.Add(i)
			sigs = append(sigs, sig)
		}
	}
	aggregate, err := s.net.Config.Scheme.Aggregate(sigs)
	if err != nil || len(sigs) < s.net.Config.Sizes.Quorum {
		a.fail("only %d signatures for the certificate", len(sigs))
	}
	c.Aggregate = aggregate
	return c
}

func (s *Script) forgeChange(a *arguments, from int, view uint64) message.Message {
	high, stable := s.net.Config.BaseCertificate(), s.net.Config.BaseCheckpoint()
	if a.has("high") {
		highView := uint64(a.number("high-view", 0)) //nolint:gosec // a script's number
		high = s.certificate(a, s.batch(a, "high").Header, highView)
	}
	if a.has("stable") { // the newest that its replica knows of
		for _, rec := range s.net.Nodes[from].Records {
			if rec.Type == message.RecordStable && rec.Stable.Seq > stable.Seq {
				stable = rec.Stable
			}
		}
	}
	return &message.ViewChange{
		Stmt: message.VcStmt{Voter: from, Tuple: message.Tuple{
			NewView: view, High: high.Ref(), HighView: high.View, Stable: stable.Ref(),
			Root: stable.Root,
		}},
		High: high, Stable: stable,
	}
}

func (s *Script) forgeNewView(a *arguments, view uint64) message.Message {
	m := &message.NewView{
		View: view, Stable: s.net.Config.BaseCheckpoint(), HoldsChain: !a.has("bare"),
	}
	for _, i := range a.nodes("votes", len(s.net.Nodes)) {
		c := s.seen[[2]uint64{uint64(i), view}] //nolint:gosec // small
		if c == nil {
			a.fail("no VIEW-CHANGE of %d to view %d was seen", i, view)
			return nil
		}
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
