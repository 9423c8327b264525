package sim

import (
	"byzd/crypto"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
)

// execution is O1 to O4: what correct replicas execute is one log without gaps, of requests that
// were made, each of them once and with one result.
type execution struct {
	log  []crypto.Digest   // by sequence number; zero where nobody was yet
	sums map[uint64]uint64 // of verdicts and results, by sequence number
	once map[place]uint64  // where each request ran
}

// place is a request's place in a session; item tells those of a bundle apart.
type place struct {
	session, seq uint64
	item         int
}

func (x *execution) init() {
	x.sums, x.once = map[uint64]uint64{}, map[place]uint64{}
}

// started sets where a node goes on from: what it replayed must be the log, too.
func (x *execution) started(n *node) {
	st := n.loop.Replica().State()
	n.top.seq = st.Executed
	n.top.digest = crypto.Digest{}
	if st.Executed == 0 {
		n.top.digest = n.w.cfg.Base.Digest
	} else if n.correct && st.Executed < uint64(len(x.log)) {
		n.top.digest = x.log[st.Executed]
	}
}

// executed is O1 and O2.
func (o *oracles) executed(n *node, ref message.Ref) {
	w := o.w
	if ref.Seq != n.top.seq+1 {
		w.fail("O2", "replica %d executed batch %d after batch %d", n.replica, ref.Seq, n.top.seq)
	}
	n.top = executed{ref.Seq, ref.Digest}
	for uint64(len(o.log)) <= ref.Seq {
		o.log = append(o.log, crypto.Digest{})
	}
	switch {
	case o.log[ref.Seq].IsZero():
		o.log[ref.Seq] = ref.Digest
	case o.log[ref.Seq] != ref.Digest:
		w.fail("O1", "replica %d executed %s as batch %d, another one %s",
			n.replica, ref.Digest.Short(), ref.Seq, o.log[ref.Seq].Short())
	}
}

// ran is O3 and O4: it looks at what running a batch gave.
func (o *oracles) ran(n *node, a *loop.Applied) {
	w, seq := o.w, a.Batch.Header.Seq
	if e := w.eraAt(seq).cfg.Epoch; e != a.Batch.Header.Epoch {
		w.fail("O2", "replica %d executed batch %d of epoch %d, which is of epoch %d",
			n.replica, seq, a.Batch.Header.Epoch, e)
	}
	sum := uint64(len(a.Verdicts))
	for i, v := range a.Verdicts {
		at := uint64(v.Bundle)<<32 ^ uint64(v.Item)<<8 //nolint:gosec // indices
		sum = mix(sum, at^uint64(v.Outcome))
		sum = mix(sum, tag(v.Session, a.Results[i]))
	}
	if before, known := o.sums[seq]; known {
		if before != sum {
			w.fail("O4", "replica %d got other results of batch %d", n.replica, seq)
		}
		return
	}
	o.sums[seq] = sum
	for i, v := range a.Verdicts {
		o.runs(a.Batch, v)
		o.answered(a.Batch, v, string(a.Results[i]))
	}
}

// runs looks at one operation that runs for the first time anywhere.
func (o *oracles) runs(b *message.Batch, v pbft.Verdict) {
	w, bundle := o.w, b.Bundles[v.Bundle]
	item := &bundle.Items[v.Item]
	at := place{bundle.Session, bundle.Seq, v.Item}
	if s := item.Signed; s != nil {
		if !w.asked[string(s.Sig)] {
			w.fail("O3", "batch %d holds a request that its client never made", b.Header.Seq)
		}
		if v.Outcome != pbft.Run {
			return
		}
		at = place{s.Session, s.Seq, -1}
	} else if rc := item.Reconfig; rc != nil {
		if w.admin.asked[rc.Change.Digest()] == nil {
			w.fail("O3", "batch %d holds a change that no administrator made", b.Header.Seq)
		}
	} else if len(w.nodes[w.eras[b.Header.Epoch].replicas[bundle.Gateway]].specs) == 0 &&
		w.ops[string(item.Op)] == nil {
		w.fail("O3", "batch %d holds an operation that nobody asked replica %d for",
			b.Header.Seq, bundle.Gateway)
	}
	if before, ran := o.once[at]; ran {
		w.fail("O4", "request %d of session %d ran in batch %d and in batch %d",
			at.seq, at.session, before, b.Header.Seq)
	}
	o.once[at] = b.Header.Seq
}
