package message_test

import (
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// TestManifestCoversEverything: each field decides the root, so that nothing that a joiner installs
// escapes the certificate (B39).
func TestManifestCoversEverything(t *testing.T) {
	base := message.Manifest{Header: message.Header{Seq: 7, TimeMS: 1}}
	d := crypto.Hash("x")
	for name, change := range map[string]func(*message.Manifest){
		"header": func(m *message.Manifest) { m.Header.TimeMS = 2 },
		"config": func(m *message.Manifest) { m.Config = d },
		"store":  func(m *message.Manifest) { m.Store = d },
		"ledger": func(m *message.Manifest) { m.Ledger = d },
	} {
		m := base
		change(&m)
		if m.Root() == base.Root() {
			t.Errorf("a manifest with another %s has the same root", name)
		}
		back, err := message.DecodeManifest(m.Encode())
		if err != nil || *back != m {
			t.Errorf("%s: %+v came back as %+v, %v", name, m, back, err)
		}
		c := &message.CheckpointCertificate{Seq: 7, Digest: m.Header.Digest(), Root: m.Root()}
		if !m.Proves(c) || base.Proves(c) {
			t.Errorf("%s: the wrong manifest proves the certificate", name)
		}
	}
	if _, err := message.DecodeManifest(make([]byte, message.ManifestSize+1)); err == nil {
		t.Error("a manifest with a byte too much was read")
	}
}

// TestConfigDigest: two configurations that differ in anything that replicas agreed on have two
// names.
func TestConfigDigest(t *testing.T) {
	c := newWorld(t, 4, crypto.SchemeEd25519)
	base := *c.cfg
	for name, change := range map[string]func(*message.Config){
		"epoch":   func(c *message.Config) { c.Epoch++ },
		"cluster": func(c *message.Config) { c.Cluster[0] ^= 1 },
		"members": func(c *message.Config) { c.Members = c.Members[:3] },
		"order": func(c *message.Config) {
			c.Members = []message.Member{c.Members[1], c.Members[0], c.Members[2], c.Members[3]}
		},
		"parameter": func(c *message.Config) { c.Params.Window++ },
		"rotation":  func(c *message.Config) { c.Params.RotateEvery++ },
		"testnet":   func(c *message.Config) { c.Params.Testnet = !c.Params.Testnet },
	} {
		other := base
		change(&other)
		if other.Digest() == base.Digest() {
			t.Errorf("a configuration with another %s has the same name", name)
		}
	}
	same := base
	same.Base.Seq = 9
	if same.Digest() != base.Digest() {
		t.Error("the base is part of the name")
	}
}
