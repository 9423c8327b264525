package loop

import (
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/daemon/snapshot"
	"byzd/pbft/message"
)

// states keeps the replicated states of checkpoints: those that are not stable yet, the last one
// that is, and those that are durable as snapshots. A state costs what changed since the one before
// it. They are what this node gives to replicas that are too far behind.
type states struct {
	fresh  map[uint64]*snapshot.State // made here and not stable yet, by sequence number
	stable *snapshot.Snapshot         // the last one that became stable here
	saved  []*snapshot.Snapshot       // durable: the newest last, at most two
	pinned *snapshot.Snapshot         // being fetched by somebody, though not needed otherwise
	usedAt int64                      // when it was last asked for
}

// pinTime is how long a state that somebody fetches is kept after the last question, in
// milliseconds (rule R13).
const pinTime = 10 * 60_000

// pinIdle is after how long it gives way to another one that somebody asks for.
const pinIdle = 5_000

func newStates() *states { return &states{fresh: map[uint64]*snapshot.State{}} }

// made takes in the state after a batch that asks for a checkpoint.
func (s *states) made(state *snapshot.State) { s.fresh[state.Manifest.Header.Seq] = state }

// certify finds the state that a stable checkpoint certifies, if it was made here, and forgets
// those that are past. It reports whether there is a new one.
func (s *states) certify(c *message.CheckpointCertificate) bool {
	state := s.fresh[c.Seq]
	for seq := range s.fresh {
		if seq <= c.Seq {
			delete(s.fresh, seq)
		}
	}
	if state == nil || state.Manifest.Root() != c.Root {
		return false
	}
	s.stable = &snapshot.Snapshot{State: *state, Certificate: c}
	return true
}

// keep takes in a snapshot that is durable.
func (s *states) keep(snap *snapshot.Snapshot) {
	if last := s.newest(); last != nil && last.Seq() >= snap.Seq() {
		return // a transfer that was overtaken
	}
	s.saved = append(s.saved, snap)
	s.saved = s.saved[max(0, len(s.saved)-2):]
}

// installed takes in a state that was fetched and is in place now: what was made before is past, or
// was wrong.
func (s *states) installed(snap *snapshot.Snapshot) {
	clear(s.fresh)
	s.stable = snap
	s.saved = append(slices.DeleteFunc(s.saved, func(old *snapshot.Snapshot) bool {
		return old.Seq() >= snap.Seq()
	}), snap)
	s.saved = s.saved[max(0, len(s.saved)-2):]
}

// newest is the last durable snapshot, or nil.
func (s *states) newest() *snapshot.Snapshot {
	if len(s.saved) == 0 {
		return nil
	}
	return s.saved[len(s.saved)-1]
}

// find returns the state of a certified root, and remembers that somebody fetches it.
func (s *states) find(root crypto.Digest, now int64) *snapshot.Snapshot {
	if s.pinned != nil && s.usedAt+pinTime < now {
		s.pinned = nil
	}
	for _, snap := range []*snapshot.Snapshot{s.pinned, s.stable, s.newest(), s.older()} {
		if snap != nil && snap.Certificate.Root == root {
			if s.pinned == nil || s.pinned == snap || s.usedAt+pinIdle < now {
				s.pinned, s.usedAt = snap, now
			}
			return snap
		}
	}
	return nil
}

func (s *states) older() *snapshot.Snapshot {
	if len(s.saved) < 2 {
		return nil
	}
	return s.saved[0]
}

// offered is what a replica that is too far behind should start from: what will be kept longest.
func (s *states) offered() *snapshot.Snapshot {
	if snap := s.newest(); snap != nil {
		return snap
	}
	return s.stable
}

// piece returns a piece of a state that somebody asks for, or nothing.
func (s *states) piece(want message.StateRef, now int64) ([]byte, error) {
	snap := s.find(want.Root, now)
	if snap == nil {
		return nil, nil
	}
	if want.Tree == message.StateManifest {
		return snap.Manifest.Encode(), nil
	}
	data, err := chunk(snap.Tree(want.Tree), want.Path)
	if err != nil {
		return nil, fmt.Errorf("%v of the state after batch %d: %w", want.Tree, snap.Seq(), err)
	}
	return data, nil
}
