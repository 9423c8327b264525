package acceptance_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/pbft/message"
)

// One traitor too many is refused, unless it is asked for.
func TestTooManyTraitors(t *testing.T) {
	home := filepath.Join(t.TempDir(), "net")
	o := byzd(t, "testnet", "up", "--home", home, "--detach", "--traitor", "0=mute",
		"--traitor", "3=mute")
	if o.code != 2 || !strings.Contains(o.stderr, "--beyond-f") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}

// With two of four, colluders split the two correct nodes. The verdict says so, and names them.
func TestSplit(t *testing.T) {
	n := up(t, "--nodes", "4", "--beyond-f", "--traitor", "0=equivocate-preprepare",
		"--traitor", "3=equivocate-votes")
	var at uint64
	n.until("the correct nodes execute different batches", func() bool {
		n.attempt(1, "a")
		n.attempt(2, "b")
		at = split(executed(t, n.state.Nodes[1].Home), executed(t, n.state.Nodes[2].Home))
		return at > 0
	})
	t.Logf("at sequence number %d they differ", at)
	var v verdict
	code := 0
	n.until("the verdict names both", func() bool {
		v, code = n.judge()
		return len(v.Culprits) == 2
	})
	if code != 4 || v.Agreement != "broken" {
		t.Errorf("exit %d, verdict %+v", code, v)
	}
	if !slices.Equal(v.Culprits, []int{0, 3}) {
		t.Errorf("culprits %v, want 0 and 3", v.Culprits)
	}
	for _, e := range v.Evidence {
		must(t, "evidence", "verify", e.File, "--genesis", n.home+"/genesis.toml")
	}
	f := n.guilty([]int{0, 3}, 1, 2) // what the correct nodes keep is enough
	if f.Forks[0].Sequence != at {
		t.Errorf("the fork at %d is found at %+v", at, f.Forks)
	}
	n.testnet("down")
	n.guilty([]int{0, 3}, 1, 2)
	if v, code := n.judge(); code != 4 || !slices.Equal(v.Culprits, []int{0, 3}) {
		t.Errorf("after the network's end: exit %d, %+v", code, v)
	}
}

// executed reads from a node's journal which batch it executed at each sequence number: the chain
// of the highest commit certificate whose bodies it has.
func executed(t *testing.T, home string) map[uint64]crypto.Digest {
	t.Helper()
	d, err := disk.OS(filepath.Join(home, "data"))
	if err != nil {
		t.Fatal(err)
	}
	headers := map[crypto.Digest]message.Header{}
	var certified []message.Ref
	err = journal.Scan(d, func(_ uint64, raw journal.Record) error {
		rec, err := message.DecodeRecord(message.RecordType(raw.Type), raw.Version, raw.Body)
		if err != nil {
			return err
		}
		switch rec.Type {
		case message.RecordBatch:
			headers[rec.Batch.Header.Digest()] = rec.Batch.Header
		case message.RecordCommitted:
			certified = append(certified, rec.Cert.Ref())
		default:
		}
		return nil
	})
	if err != nil && !errors.Is(err, journal.ErrTruncated) {
		t.Fatal(err)
	}
	chain := map[uint64]crypto.Digest{}
	slices.SortFunc(certified, func(a, b message.Ref) int { return int(a.Seq) - int(b.Seq) })
	if len(certified) == 0 {
		return chain
	}
	for at := certified[len(certified)-1]; ; {
		h, known := headers[at.Digest]
		if !known {
			return chain
		}
		chain[at.Seq] = at.Digest
		at = message.Ref{Seq: at.Seq - 1, Digest: h.Parent}
	}
}

// split returns the first sequence number at which two nodes executed different batches, or 0.
func split(a, b map[uint64]crypto.Digest) uint64 {
	for seq := uint64(1); ; seq++ {
		x, both := a[seq]
		y, other := b[seq]
		if !both || !other {
			return 0
		}
		if x != y {
			return seq
		}
	}
}
