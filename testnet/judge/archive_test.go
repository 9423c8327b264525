package judge

import (
	"path/filepath"
	"testing"

	"byzd/crypto"
	"byzd/daemon/archive"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/pbft/message"
)

// R7.8: when the journals have been cut above the fork, two archived checkpoint certificates name
// whoever signed both, in the homes of the two sides.
func TestArchivedCheckpointsNameTheCoalition(t *testing.T) {
	for _, scheme := range []string{ed25519, bls} {
		c := newCluster(t, 4, scheme)
		root := t.TempDir()
		var nodes []Node
		for node, signers := range map[int][]int{2: {0, 1, 2}, 3: {0, 1, 3}} {
			cert := &message.CheckpointCertificate{
				Seq: 8, Digest: crypto.Hash("batch", []byte{byte(node)}), Root: crypto.Hash("root"),
			}
			var sigs [][]byte
			for _, i := range signers {
				cp := &message.Checkpoint{Seq: 8, Digest: cert.Digest, Root: cert.Root}
				c.sealer(i).Seal(cp)
				cert.Signers, sigs = cert.Signers.Add(i), append(sigs, cp.Sig)
			}
			var err error
			if cert.Aggregate, err = c.cfg.Scheme.Aggregate(sigs); err != nil {
				t.Fatal(err)
			}
			home := filepath.Join(root, string(rune('a'+node)))
			archived(t, c, home, &message.Record{Type: message.RecordStable, Stable: cert})
			nodes = append(nodes, Node{Number: node, Home: home})
		}
		h := NewHistory(c.cfg)
		h.Numbered = true
		if err := h.Read(t.Context(), nodes); err != nil {
			t.Fatal(err)
		}
		f := Investigate(h)
		if len(f.Forks) != 1 || f.Forks[0].Sequence != 8 || len(f.Forks[0].Guilty) != 2 ||
			f.Forks[0].Unproven != "" {
			t.Errorf("%s: forks are %+v", scheme, f.Forks)
		}
		if len(f.Culprits) != 2 || f.Culprits[0].Number != 0 || f.Culprits[1].Number != 1 {
			t.Errorf("%s: culprits are %v", scheme, f.Culprits)
		}
		for _, p := range f.Proofs() {
			if p.Kind != message.EvidenceForkedRoot || p.Evidence.Verify(c.cfg) != nil {
				t.Errorf("%s: %v against %d", scheme, p.Kind, p.Culprit)
			}
		}
	}
}

// archived makes a home whose journal holds nothing, and whose archive holds a record.
func archived(t *testing.T, c *cluster, home string, rec *message.Record) {
	t.Helper()
	for _, name := range []string{journalName, archiveName} {
		d, err := disk.OS(filepath.Join(home, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == journalName {
			j, err := journal.Open(d, journal.Options{Owner: c.cfg.Cluster})
			if err != nil {
				t.Fatal(err)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		a, err := archive.Open(d, archive.Options{
			Owner: c.cfg.Cluster, Every: c.cfg.Params.CheckpointEvery,
		})
		if err != nil {
			t.Fatal(err)
		}
		a.Keep(rec)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
