package acceptance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"byzd/daemon/genesis"
	"byzd/pbft/message"
)

// The primary equivocates from the start; four clients with keys of their own write 200 keys
// through the three correct nodes. All is acknowledged, the verdict holds and convicts node 0
// alone, and the proof convinces whoever has the genesis, but not after any change.
func TestEquivocatingPrimary(t *testing.T) {
	n := up(t, "--nodes", "4", "--traitor", "0=equivocate-preprepare")
	endpoints := strings.Join([]string{
		n.state.Nodes[1].Client, n.state.Nodes[2].Client, n.state.Nodes[3].Client,
	}, ",")
	var wg sync.WaitGroup
	for client := range 4 {
		wg.Go(func() {
			key := filepath.Join(n.home, fmt.Sprintf("client-%d.key", client))
			for k := range 50 {
				o := byzd(t, "put", "--endpoints", endpoints, "--key", key, "--genesis",
					filepath.Join(n.home, "genesis.toml"), fmt.Sprintf("%d-%d", client, k), "v")
				if o.code != 0 {
					t.Errorf("client %d, put %d: exit %d\n%s", client, k, o.code, o.stderr)
					return
				}
			}
		})
	}
	wg.Wait()
	v := n.held()
	if !slices.Equal(v.Culprits, []int{0}) || len(v.Evidence) == 0 {
		t.Fatalf("culprits %v, proofs %v", v.Culprits, v.Evidence)
	}
	file := v.Evidence[0].File
	must(t, "evidence", "verify", file, "--genesis", filepath.Join(n.home, "genesis.toml"))
	n.testnet("down")
	n.held() // the files of the stopped network say the same
	everyChangeIsRefused(t, n.home, file)
}

// everyChangeIsRefused tries each position of a proof with one byte flipped, added and missing.
func everyChangeIsRefused(t *testing.T, home, file string) {
	t.Helper()
	proof, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g, err := genesis.Load(filepath.Join(home, "genesis.toml"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := g.Config()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := message.DecodeProof(cfg, proof); err != nil {
		t.Fatal(err)
	}
	for at := range proof {
		flipped := slices.Clone(proof)
		flipped[at] ^= 1
		for what, changed := range map[string][]byte{
			"flipped": flipped,
			"added":   slices.Insert(slices.Clone(proof), at, proof[at]),
			"missing": slices.Delete(slices.Clone(proof), at, at+1),
		} {
			if _, err := message.DecodeProof(cfg, changed); err == nil {
				t.Errorf("a byte %s at %d of %d: the proof is still accepted", what, at, len(proof))
			}
		}
	}
	spoilt := filepath.Join(t.TempDir(), "spoilt.proof")
	proof[len(proof)/2] ^= 1
	if err := os.WriteFile(spoilt, proof, 0o600); err != nil {
		t.Fatal(err)
	}
	o := byzd(t, "evidence", "verify", spoilt, "--genesis", filepath.Join(home, "genesis.toml"))
	if o.code != 1 {
		t.Errorf("a spoilt proof: exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	t.Logf("%d bytes, each flipped, doubled and left out: refused", len(proof))
}
