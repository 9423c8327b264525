package message

import (
	"byzd/pbft/quorum"
)

// Limits are the largest legal encodings, computed from the number of replicas and the scheme
// (DESIGN §5 point 13). All in bytes, frame header included.
type Limits struct {
	Vote       int // a PREPARE, COMMIT or CHECKPOINT
	Complain   int
	ViewChange int
	NewView    int
	PrePrepare int
	Submission int
	Batch      int // a whole batch in answer to a fetch
	Decided    int
	Evidence   int
	Proof      int
	Fence      int // the answer to who has just started
}

const frameHead = 1 + 8

// DecidedBytes bounds the bodies in one Decided; a single larger batch may exceed it alone.
const DecidedBytes = 1 << 20

// Limits returns the limits of this configuration.
func (c *Config) Limits() Limits {
	n, sig := len(c.Members), c.Scheme.SignatureSize()
	vote := 1 + 8 + 8 + 32 + 2 + 4 + sig
	certificate := 1 + 8 + 8 + 32 + 8*len(quorum.Set{}) + 4 + c.Scheme.CertificateSize(n)
	checkpoint := certificate - 1 - 8 + 32
	stmt := 128 + 2 + 4 + sig
	statements := 4 + MaxStatements*vote
	bundles := max(c.Params.MaxBatchBytes, c.Params.MaxBundleBytes)
	batch := HeaderSize + 4 + bundles
	newView := 8 + 4 + n*stmt + certificate + checkpoint + 4 + sig + 4 + sig
	return Limits{
		Vote:       frameHead + max(vote, 72+2+4+sig),
		Complain:   frameHead + 17 + 2 + statements + 4 + sig,
		ViewChange: frameHead + stmt + certificate + checkpoint + statements,
		NewView:    frameHead + newView,
		PrePrepare: frameHead + 8 + HeaderSize + 4 + MaxBundles*32 + 4 + sig,
		Submission: frameHead + c.Params.MaxBundleBytes,
		Batch:      frameHead + batch + statements,
		Decided: frameHead + 1 + certificate + checkpoint + 4 + MaxDecided*HeaderSize + 4 +
			DecidedBytes + batch,
		Evidence: frameHead + 3 + 2*(1+4+maxEvidenceBody+4+sig) +
			4 + MaxEvidenceHeaders*HeaderSize + 4 + n*stmt,
		Proof: frameHead + 1 + 2*certificate + checkpoint + newView,
		Fence: frameHead + 8 + statements + 4 + stmt,
	}
}

// Largest is the largest frame of any kind.
func (l Limits) Largest() int {
	return max(l.Vote, l.Complain, l.ViewChange, l.NewView, l.PrePrepare, l.Submission, l.Batch,
		l.Decided, l.Evidence, l.Proof, l.Fence)
}
