package snapshot

import (
	"byzd/daemon/kv/merkle"
	"byzd/pbft/message"
)

// State is the whole replicated state after a batch. It is immutable.
type State struct {
	Manifest *message.Manifest
	Store    merkle.Tree
	Ledger   merkle.Tree
}

// Tree returns the tree of a part of the state.
func (s *State) Tree(part message.StateTree) merkle.Tree {
	if part == message.StateLedger {
		return s.Ledger
	}
	return s.Store
}

// Whole reports whether the trees are what the manifest says.
func (s *State) Whole() bool {
	return s.Store.Root() == s.Manifest.Store && s.Ledger.Root() == s.Manifest.Ledger
}

// Bytes is the size of the content.
func (s *State) Bytes() int64 { return s.Store.Bytes() + s.Ledger.Bytes() }

// Snapshot is a state with the proof that a quorum came to it.
type Snapshot struct {
	State

	Certificate *message.CheckpointCertificate
}

// Seq is the sequence number of the batch that the state follows.
func (s *Snapshot) Seq() uint64 { return s.Certificate.Seq }
