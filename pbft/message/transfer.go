package message

import "byzd/crypto"

// Offer answers a FetchDecided whose batches are not in the log any more: it begins later, and
// there is a state to start from instead (PROTOCOL §4.9 with rule R13). The certificate speaks for
// itself; First is a claim that nothing rests on but whom to ask.
type Offer struct {
	First    uint64 // the lowest batch in the log
	Snapshot *CheckpointCertificate
}

func (m *Offer) encode(w *writer) {
	w.u64(m.First)
	m.Snapshot.encode(w)
}

func decodeOffer(r *reader) *Offer {
	return &Offer{First: r.number(), Snapshot: decodeCheckpointCertificate(r)}
}

// StateTree names a part of the replicated state that is fetched in pieces.
type StateTree uint8

// The parts.
const (
	StateManifest StateTree = iota // the [Manifest], whole
	StateStore                     // the tree of the store
	StateLedger                    // the tree of sessions and replies
	stateEnd
)

// StateTrees is the number of parts.
const StateTrees = int(stateEnd)

// String is the part's name in traces.
func (t StateTree) String() string {
	names := [...]string{"manifest", "store", "ledger"}
	if int(t) < len(names) {
		return names[t]
	}
	return "unknown"
}

// StateRef names a piece of a certified state. It is comparable.
type StateRef struct {
	Root crypto.Digest // what was certified
	Tree StateTree
	Path string // of a subtree, in the tree's own encoding; empty for all of it
}

// MaxStatePath bounds a path in bytes: a key of the store and what stands beside it.
const MaxStatePath = 8 << 10

func (s *StateRef) encode(w *writer) {
	w.digest(s.Root)
	w.u8(uint8(s.Tree))
	w.bytes([]byte(s.Path))
}

func decodeStateRef(r *reader) StateRef {
	s := StateRef{Root: r.digest(), Tree: StateTree(r.u8())}
	if s.Tree >= stateEnd {
		r.fail("part %d of a state", s.Tree)
	}
	s.Path = string(r.bytes(MaxStatePath))
	return s
}

// FetchState asks for a piece of a certified state.
type FetchState struct{ Want StateRef }

func (m *FetchState) encode(w *writer) { m.Want.encode(w) }

func decodeFetchState(r *reader) *FetchState { return &FetchState{Want: decodeStateRef(r)} }

// StatePart answers with the piece. Without data the sender does not have that state, or not any
// more. What the data says is checked against what the root promises, not here.
type StatePart struct {
	Want StateRef
	Data []byte
}

// StatePartBytes is what a piece holds at most, unless one entry alone is larger.
const StatePartBytes = 256 << 10

// MaxStatePart is the decoder's cap: a full piece and the largest entry, which came in one
// operation.
const MaxStatePart = StatePartBytes + MaxOpBytes + 64<<10

func (m *StatePart) encode(w *writer) {
	m.Want.encode(w)
	w.bytes(m.Data)
}

func decodeStatePart(r *reader) *StatePart {
	return &StatePart{Want: decodeStateRef(r), Data: r.bytes(MaxStatePart)}
}
