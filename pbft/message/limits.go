package message

import (
	"byzd/crypto"
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
	Epoch      int // the proof that an epoch ended
	Ready      int
	State      int // a piece of a state
}

const frameHead = 1 + 8

const (
	// bundleHead is what a bundle has beside its operations and the bytes of its signature.
	bundleHead = 2 + 3*8 + 4 + 4
	// plainHead and signedHead are what an item has beside the bytes of its operation.
	plainHead  = 1 + 4
	signedHead = 1 + 32 + 3*8 + 4 + ClientSignatureSize
	// leastOp is what every cluster can order at least: an operation on a short key.
	leastOp = 512
)

// leastBundle is the smallest legal max-bundle-bytes under a scheme.
func leastBundle(s crypto.Scheme) int {
	return bundleHead + s.SignatureSize() + signedHead + leastOp
}

// MaxOp is the number of bytes of the largest operation that this cluster orders: alone in a
// bundle, signed by its client. It is [MaxOpBytes] unless max-bundle-bytes leaves less room.
func (c *Config) MaxOp() int {
	room := c.Params.MaxBundleBytes - bundleHead - c.Scheme.SignatureSize() - signedHead
	return min(MaxOpBytes, room)
}

// DecidedBytes bounds the bodies in one Decided; a single larger batch may exceed it alone.
const DecidedBytes = 1 << 20

// Limits returns the limits of this configuration.
func (c *Config) Limits() Limits {
	n, sig := len(c.Members), c.Scheme.SignatureSize()
	vote := 1 + voteSize + 2 + 4 + sig
	certificate := 1 + 8 + 8 + 32 + 8*len(quorum.Set{}) + 4 + c.Scheme.CertificateSize(n)
	checkpoint := certificate - 1 - 8 + 32
	stmt := tupleSize + 2 + 4 + sig
	statements := 4 + MaxStatements*vote
	bundles := max(c.Params.MaxBatchBytes, c.Params.MaxBundleBytes)
	batch := HeaderSize + 4 + bundles
	smallest := bundleHead + sig + plainHead // of all bundles: one empty operation
	bodies := max(DecidedBytes+min(MaxDecided, DecidedBytes/smallest)*(HeaderSize+4), batch)
	newView := 8 + 4 + n*stmt + certificate + checkpoint + 4 + sig + 4 + sig
	return Limits{
		Vote:       frameHead + max(vote, checkpointSize+2+4+sig),
		Complain:   frameHead + 17 + 2 + statements + 4 + sig,
		ViewChange: frameHead + stmt + certificate + checkpoint + statements,
		NewView:    frameHead + newView,
		PrePrepare: frameHead + 8 + HeaderSize + 4 + 32*c.Params.MaxBatchRequests + 4 + sig,
		Submission: frameHead + c.Params.MaxBundleBytes,
		Batch:      frameHead + batch + statements,
		Decided: frameHead + 1 + certificate + checkpoint + 4 + MaxDecided*HeaderSize + 4 +
			bodies,
		Evidence: frameHead + c.evidenceLimit(),
		Proof:    frameHead + 1 + 2*certificate + checkpoint + newView,
		Epoch:    frameHead + checkpoint + ManifestSize + 4 + configSize(c.Scheme),
		Ready:    frameHead + 32 + 2 + HeaderSize + 4 + sig,
		Fence: frameHead + 8 + statements + 4 + maxFenceStmts*stmt + 4 +
			maxFenceCerts*certificate + 1 + checkpoint,
		State: frameHead + 32 + 1 + 4 + MaxStatePath + 4 + MaxStatePart,
	}
}

// ByMessage returns the limits by name, for people and metrics.
func (l Limits) ByMessage() map[string]int {
	return map[string]int{
		"vote": l.Vote, "complain": l.Complain, "view-change": l.ViewChange, "new-view": l.NewView,
		"pre-prepare": l.PrePrepare, "submission": l.Submission, "batch": l.Batch,
		"decided": l.Decided, "evidence": l.Evidence, "proof": l.Proof, "fence-answer": l.Fence,
		"epoch": l.Epoch, "ready": l.Ready, "state-part": l.State,
	}
}

// Largest is the largest frame of any kind.
func (l Limits) Largest() int {
	return max(l.Vote, l.Complain, l.ViewChange, l.NewView, l.PrePrepare, l.Submission, l.Batch,
		l.Decided, l.Evidence, l.Proof, l.Fence, l.Epoch, l.Ready, l.State)
}
