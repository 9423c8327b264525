package snapshot_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/kv/merkle"
	"byzd/daemon/snapshot"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// world is a cluster's keys, to certify states with.
type world struct {
	cfg     *message.Config
	signers []crypto.Signer
}

func newWorld() *world {
	cfg, signers := pbfttest.Config(4, crypto.SchemeEd25519, message.DefaultParams())
	return &world{cfg, signers}
}

func (w *world) config(epoch uint64) *message.Config {
	if epoch != w.cfg.Epoch {
		return nil
	}
	return w.cfg
}

// state is a snapshot after a batch, with so many entries, certified by a quorum.
func (w *world) state(tb testing.TB, seq uint64, entries int) *snapshot.Snapshot {
	tb.Helper()
	store, ledger := merkle.Tree{}.Edit(), merkle.Tree{}.Edit()
	for k := range entries {
		store.Set(fmt.Appendf(nil, "key%d", k), fmt.Appendf(nil, "value %d at %d", k, seq))
		ledger.Set(fmt.Appendf(nil, "s%d", k), []byte{byte(k)})
	}
	s := &snapshot.Snapshot{State: snapshot.State{Store: store.Tree(), Ledger: ledger.Tree()}}
	s.Manifest = &message.Manifest{
		Header: message.Header{Cluster: w.cfg.Cluster, Seq: seq, TimeMS: 5},
		Config: w.cfg.Digest(), Store: s.Store.Root(), Ledger: s.Ledger.Root(),
	}
	ref := s.Manifest.Ref()
	s.Certificate = &message.CheckpointCertificate{
		Seq: seq, Digest: ref.Digest, Root: s.Manifest.Root(),
	}
	var sigs [][]byte
	for i := range w.cfg.Sizes.Quorum {
		c := &message.Checkpoint{Seq: seq, Digest: ref.Digest, Root: s.Certificate.Root}
		message.Sealer{Config: w.cfg, Self: i, Signer: w.signers[i]}.Seal(c)
		s.Certificate.Signers = s.Certificate.Signers.Add(i)
		sigs = append(sigs, c.Sig)
	}
	var err error
	if s.Certificate.Aggregate, err = w.cfg.Scheme.Aggregate(sigs); err != nil {
		tb.Fatal(err)
	}
	return s
}

func latest(t *testing.T, w *world, d disk.Disk) (*snapshot.Snapshot, []error) {
	t.Helper()
	s, damaged, err := snapshot.Latest(d, w.config)
	if err != nil {
		t.Fatal(err)
	}
	return s, damaged
}

func TestWrittenSnapshotsAreReadBack(t *testing.T) {
	w, d := newWorld(), disk.NewMemory()
	if s, damaged := latest(t, w, d); s != nil || damaged != nil {
		t.Fatalf("an empty disk holds %v, %v", s, damaged)
	}
	for seq := uint64(1); seq <= 4; seq++ {
		want := w.state(t, seq, int(seq-1)*50) // the first is empty
		if err := snapshot.Write(d, want); err != nil {
			t.Fatal(err)
		}
		got, damaged := latest(t, w, d)
		if len(damaged) > 0 || got.Seq() != seq || got.Certificate.Root != want.Certificate.Root ||
			got.Store.Root() != want.Store.Root() || got.Ledger.Root() != want.Ledger.Root() ||
			*got.Manifest != *want.Manifest {
			t.Fatalf("snapshot %d came back as %+v, %v", seq, got, damaged)
		}
	}
	if err := snapshot.Prune(d, 2); err != nil {
		t.Fatal(err)
	}
	if names, _ := d.List("snapshot-"); len(names) != 2 {
		t.Errorf("two were to be kept: %v", names)
	}
	if s, _ := latest(t, w, d); s.Seq() != 4 {
		t.Errorf("the newest is %d", s.Seq())
	}
}

// TestCrashWhileWriting: whatever the disk does to a write that did not end, the snapshot before it
// is there (P4, M41), and one that Write returned nil for is too.
func TestCrashWhileWriting(t *testing.T) {
	w := newWorld()
	first, second := w.state(t, 1, 30), w.state(t, 2, 30)
	for call := 1; ; call++ {
		d := disk.NewMemory()
		if err := snapshot.Write(d, first); err != nil {
			t.Fatal(err)
		}
		d.Fail(call)
		err := snapshot.Write(d, second)
		d.Fail(0)
		d.Crash()
		s, _ := latest(t, w, d)
		switch {
		case err == nil && s.Seq() == 2:
			if call < 5 {
				t.Errorf("only %d calls could fail", call-1)
			}
			return
		case err == nil || s == nil || s.Seq() != 1:
			t.Fatalf("a fault in call %d (%v) leaves %v", call, err, s)
		}
		// It can be written again.
		if err := snapshot.Write(d, second); err != nil {
			t.Fatalf("after a fault in call %d: %v", call, err)
		}
		if s, _ := latest(t, w, d); s.Seq() != 2 {
			t.Fatalf("call %d: written again it is not read", call)
		}
	}
}

// TestEveryDamageIsFound: there is no byte whose change, and no place where a cut, goes unnoticed.
func TestEveryDamageIsFound(t *testing.T) {
	w, d := newWorld(), disk.NewMemory()
	if err := snapshot.Write(d, w.state(t, 3, 4)); err != nil {
		t.Fatal(err)
	}
	const name = "snapshot-0000000000000003"
	good, err := d.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	good = bytes.Clone(good)
	try := func(what string, data []byte) {
		t.Helper()
		if err := d.WriteAtomic(name, data); err != nil {
			t.Fatal(err)
		}
		if _, err := snapshot.Read(d, w.config, 3); !errors.Is(err, snapshot.ErrDamaged) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		try(fmt.Sprintf("byte %d", i), bad)
		try(fmt.Sprintf("cut at %d", i), good[:i])
	}
	try("a byte too much", append(bytes.Clone(good), 0))
	if s, damaged := latest(t, w, d); s != nil || len(damaged) != 1 {
		t.Errorf("%v, %v", s, damaged)
	}
	other := newWorld()
	other.cfg.Members[0].Key = other.cfg.Members[1].Key // somebody else's cluster
	if err := d.WriteAtomic(name, good); err != nil {
		t.Fatal(err)
	}
	if _, err := snapshot.Read(d, other.config, 3); !errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("another cluster reads it: %v", err)
	}
}

func TestStagedPiecesSurvive(t *testing.T) {
	d, root := disk.NewMemory(), crypto.Hash("root")
	refs := []message.StateRef{
		{Root: root, Tree: message.StateManifest},
		{Root: root, Tree: message.StateStore, Path: "lkey"},
		{Root: root, Tree: message.StateLedger, Path: "rkey"},
	}
	s, err := snapshot.OpenStage(d, root, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, ref := range refs {
		if err := s.Add(ref, fmt.Appendf(nil, "data %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A torn end is forgotten, and so is everything from the first piece on that is not accepted.
	size, err := d.Size("transfer-" + hex.EncodeToString(root[:16]))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Truncate("transfer-"+hex.EncodeToString(root[:16]), size-1); err != nil {
		t.Fatal(err)
	}
	var got []message.StateRef
	read := func(limit int) {
		t.Helper()
		got = nil
		s, err := snapshot.OpenStage(d, root, func(ref message.StateRef, data []byte) bool {
			if len(got) == limit || string(data) != fmt.Sprintf("data %d", len(got)) {
				return false
			}
			got = append(got, ref)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	read(9)
	if len(got) != 2 || got[0] != refs[0] || got[1] != refs[1] {
		t.Fatalf("of three pieces, the last torn, come back %v", got)
	}
	read(1)
	read(9)
	if len(got) != 1 {
		t.Fatalf("a refused piece is still there: %v", got)
	}
	// Another root's transfer ends this one.
	other, err := snapshot.OpenStage(d, crypto.Hash("other"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	read(9)
	if len(got) != 0 {
		t.Errorf("it outlived another transfer: %v", got)
	}
}

// FuzzRead: bytes that pretend to be a snapshot are refused, whatever they are, without more memory
// than they have.
func FuzzRead(f *testing.F) {
	w, d := newWorld(), disk.NewMemory()
	if err := snapshot.Write(d, w.state(f, 3, 2)); err != nil {
		f.Fatal(err)
	}
	const name = "snapshot-0000000000000003"
	good, err := d.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	good = bytes.Clone(good)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		d := disk.NewMemory()
		if err := d.WriteAtomic(name, data); err != nil {
			t.Fatal(err)
		}
		s, err := snapshot.Read(d, w.config, 3)
		if err == nil && !bytes.Equal(data, good) {
			t.Fatalf("%x is read as a snapshot: %+v", data, s)
		}
		if err != nil && !errors.Is(err, snapshot.ErrDamaged) {
			t.Fatal(err)
		}
	})
}
