package message

import (
	"bytes"
	"errors"
	"fmt"

	"byzd/crypto"
	"byzd/pbft/quorum"
)

// ErrEpochProof is what every reason to refuse a proof of an epoch's end wraps.
var ErrEpochProof = errors.New("the proof that the epoch ended does not hold")

// EpochProof proves, to whoever trusts the configuration of an epoch, what the next one is: a
// quorum of the old members certified the state after the batch that ended the epoch, and that
// state includes the next configuration. A chain of them leads from the genesis to today.
type EpochProof struct {
	Certificate *CheckpointCertificate // by the members of the epoch that ended
	Manifest    *Manifest              // of the state that it certifies
	Next        []byte                 // the next configuration, encoded
}

// NewEpochProof puts the proof together that an epoch ended and next begins.
func NewEpochProof(c *CheckpointCertificate, m *Manifest, next *Config) *EpochProof {
	return &EpochProof{Certificate: c, Manifest: m, Next: next.encode()}
}

// Verify returns the configuration that the proof leads to from the one before it. The error wraps
// [ErrEpochProof].
func (p *EpochProof) Verify(cfg *Config) (*Config, error) {
	next, err := p.verify(cfg)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEpochProof, err)
	}
	return next, nil
}

// refusal is Verify with the name of what is wrong.
func (p *EpochProof) refusal(cfg *Config) error {
	_, err := p.verify(cfg)
	if name, named := errors.AsType[Refusal](err); named {
		return name
	}
	if err != nil {
		return RefusedReconfig
	}
	return nil
}

func (p *EpochProof) verify(cfg *Config) (*Config, error) {
	h := &p.Manifest.Header
	switch {
	case h.Cluster != cfg.Cluster:
		return nil, RefusedCluster
	case h.Epoch != cfg.Epoch:
		return nil, RefusedEpoch
	case h.Kind != Reconfig || h.Seq <= cfg.Base.Seq:
		return nil, RefusedReconfig
	case !p.Manifest.Proves(p.Certificate):
		return nil, RefusedBodyMismatch
	case crypto.Hash("byzd/config/1", cfg.Cluster[:], p.Next) != p.Manifest.Config:
		return nil, RefusedReconfig
	}
	if err := p.Certificate.Verify(cfg); err != nil {
		return nil, err
	}
	return cfg.decodeNext(p.Next, p.Certificate.Ref())
}

// FollowEpochs verifies a chain of proofs from a trusted configuration, and returns the one that it
// leads to. Proofs of epochs that ended before the trusted one are passed over. The error names the
// first proof that does not hold.
func FollowEpochs(cfg *Config, chain []*EpochProof) (*Config, error) {
	for _, p := range chain {
		if p.Manifest.Header.Epoch < cfg.Epoch {
			continue
		}
		next, err := p.Verify(cfg)
		if err != nil {
			return nil, fmt.Errorf("the end of epoch %d: %w", cfg.Epoch, err)
		}
		cfg = next
	}
	return cfg, nil
}

func (p *EpochProof) encode(w *writer) {
	p.Certificate.encode(w)
	w.raw(p.Manifest.Encode())
	w.bytes(p.Next)
}

func decodeEpochProof(r *reader) *EpochProof {
	return &EpochProof{
		Certificate: decodeCheckpointCertificate(r), Manifest: decodeManifest(r),
		Next: r.bytes(maxConfig),
	}
}

// maxConfig is the decoder's cap for an encoded configuration.
const maxConfig = 64 + quorum.MaxReplicas*(maxName+maxKey+64) + 11*8

// configSize is the largest encoding of a configuration under a scheme.
func configSize(s crypto.Scheme) int {
	return 8 + 4 + len(s.Name()) + 2 +
		quorum.MaxReplicas*(4+maxName+32+4+s.PublicKeySize()+8) + 8 + 10*8 + 1
}

// decodeNext reads the configuration of the next epoch, which a quorum of this one has certified:
// so its keys need no proofs of possession any more.
func (c *Config) decodeNext(data []byte, base Ref) (*Config, error) {
	r := reader{buf: data}
	next := &Config{Cluster: c.Cluster, Epoch: r.number(), Base: base, Scheme: c.Scheme}
	if name := r.bytes(maxName); r.err == nil && string(name) != c.Scheme.Name() {
		return nil, RefusedReconfig
	}
	n := r.u16()
	if n > quorum.MaxReplicas {
		return nil, RefusedReconfig
	}
	for range n {
		m := Member{Name: string(r.bytes(maxName))}
		copy(m.Node[:], r.take(len(m.Node)))
		key := r.bytes(maxKey)
		m.Session = r.number()
		if r.err != nil {
			return nil, r.err
		}
		var err error
		if m.Key, err = c.Scheme.ParsePublicKey(key); err != nil {
			return nil, fmt.Errorf("member %q: %w", m.Name, err)
		}
		next.Members = append(next.Members, m)
	}
	next.NextSession = r.number()
	next.Params = decodeParams(&r)
	if err := r.done(); err != nil {
		return nil, err
	}
	if next.Epoch != c.Epoch+1 {
		return nil, RefusedEpoch
	}
	var err error
	if next.Sizes, err = quorum.Of(len(next.Members)); err != nil {
		return nil, err
	}
	if err := next.Params.check(c.Scheme); err != nil {
		return nil, err
	}
	next.Admins = c.Admins
	return next, nil
}

// epochsMagic begins a file of proofs that epochs ended.
const epochsMagic = "byzd-epochs/1\n"

// MaxEpochs bounds the proofs in one file.
const MaxEpochs = 1 << 16

// EncodeEpochs returns the content of a file that leads from a cluster's genesis to today.
func EncodeEpochs(cluster crypto.Digest, chain []*EpochProof) []byte {
	w := writer{buf: []byte(epochsMagic)}
	w.digest(cluster)
	w.u32(uint32(len(chain))) //nolint:gosec // at most MaxEpochs
	for _, p := range chain {
		p.encode(&w)
	}
	return w.buf
}

// DecodeEpochs reads what [EncodeEpochs] wrote, for the cluster of a configuration. Nothing is
// verified but the form: see [FollowEpochs].
func DecodeEpochs(cfg *Config, data []byte) ([]*EpochProof, error) {
	rest, ok := bytes.CutPrefix(data, []byte(epochsMagic))
	if !ok {
		return nil, fmt.Errorf("%w: it does not begin like a file of epochs", ErrMalformed)
	}
	r := reader{buf: rest}
	if d := r.digest(); r.err == nil && d != cfg.Cluster {
		return nil, fmt.Errorf("%w: it is of cluster %s, and the genesis of cluster %s",
			ErrEpochProof, d.Short(), cfg.Cluster.Short())
	}
	n := r.count(MaxEpochs, ManifestSize)
	chain := make([]*EpochProof, 0, n)
	for range n {
		chain = append(chain, decodeEpochProof(&r))
		if r.err != nil {
			break
		}
	}
	return chain, r.done()
}
