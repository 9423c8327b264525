package message

import (
	"bytes"
	"errors"
	"fmt"

	"byzd/crypto"
)

// ErrProof is wrapped by every error that [DecodeProof] returns.
var ErrProof = errors.New("not a valid proof")

// proofMagic opens every proof file: a name that people recognise in a dump, and a byte that no
// text holds.
const proofMagic = "byzd-evidence\x00"

// The versions of the file form of evidence: of the first epoch, and of a later one with the chain
// of proofs that leads there from the genesis.
const (
	ProofVersion      = 1
	ProofVersionChain = 2
)

// maxProofChain bounds the bytes of the epochs' proofs in a file of evidence. A longer chain is
// left out: then whoever checks the file needs it from elsewhere.
const maxProofChain = 16 << 20

// proofHead is magic, version, cluster and epoch; proofTail the closing digest.
const (
	proofHead = len(proofMagic) + 1 + len(crypto.Digest{}) + 8
	proofTail = len(crypto.Digest{})
)

// EncodeProof returns the portable form of a proof: magic, version, cluster ID, epoch, the
// evidence, and a closing digest over all of it. It needs nothing but the members' keys to be
// checked, wherever and whenever. Of a later epoch, chain is what leads there from the genesis:
// with it in the file the keys of the genesis are enough (DESIGN §9).
func EncodeProof(cfg *Config, e *Evidence, chain ...*EpochProof) []byte {
	carried := encodeChain(cfg, chain)
	w := writer{buf: make([]byte, 0, 1024)}
	w.raw([]byte(proofMagic))
	if len(carried) == 0 {
		w.u8(ProofVersion)
	} else {
		w.u8(ProofVersionChain)
	}
	w.digest(cfg.Cluster)
	w.u64(cfg.Epoch)
	w.raw(carried)
	e.encode(&w)
	w.digest(proofDigest(w.buf))
	return w.buf
}

// ProofName is the name of the file of a proof: of one kind and culprit in an epoch there is one.
func ProofName(cfg *Config, e *Evidence) string {
	if cfg.Epoch == 0 {
		return fmt.Sprintf("%s-node%d.proof", e.Kind, e.Culprit)
	}
	return fmt.Sprintf("%s-epoch%d-%s.proof", e.Kind, cfg.Epoch, cfg.nameOf(e.Culprit))
}

// encodeChain is what a file of evidence carries of a chain: as many proofs as epochs have ended
// before its own, or nothing.
func encodeChain(cfg *Config, chain []*EpochProof) []byte {
	if cfg.Epoch == 0 || uint64(len(chain)) < cfg.Epoch || cfg.Epoch > MaxEpochs {
		return nil
	}
	var w writer
	w.u32(uint32(cfg.Epoch))
	for _, p := range chain[:cfg.Epoch] {
		p.encode(&w)
	}
	if len(w.buf) > maxProofChain {
		return nil
	}
	return w.buf
}

// proofDigest closes the file: it tells a damaged file from a worthless accusation. It proves
// nothing; the culprit's signatures do.
func proofDigest(data []byte) crypto.Digest { return crypto.Hash("byzd/proof/1", data) }

// DecodeProof reads what [EncodeProof] wrote and verifies it: the evidence that it returns convicts
// its culprit. cfg is the configuration of its epoch, or an earlier one that the chain in the file
// begins at. The error wraps [ErrProof] and says what is wrong with the file.
func DecodeProof(cfg *Config, data []byte) (*Evidence, error) {
	p, err := OpenProof(cfg, nil, data)
	if err != nil {
		return nil, err
	}
	return p.Evidence, nil
}

// OpenedProof is a proof that holds.
type OpenedProof struct {
	*Evidence

	In    *Config       // the epoch that it is about: its numbers are those of its members
	Chain []*EpochProof // what leads there from the genesis
}

// OpenProof is [DecodeProof] for a file that may be about a later epoch and carry no chain: then
// chain leads there.
func OpenProof(cfg *Config, chain []*EpochProof, data []byte) (*OpenedProof, error) {
	f, err := openProof(cfg, data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if len(f.chain) > 0 {
		chain = f.chain
	}
	in, err := configOf(cfg, chain, f.epoch)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if err := f.evidence.Verify(in); err != nil {
		return nil, fmt.Errorf("%w: it accuses member %d of %v, and that does not hold: %w",
			ErrProof, f.evidence.Culprit, f.evidence.Kind, err)
	}
	return &OpenedProof{Evidence: f.evidence, In: in, Chain: chain}, nil
}

// proofFile is what stands in a file of evidence. Nothing of it is verified but the form.
type proofFile struct {
	epoch    uint64
	chain    []*EpochProof
	evidence *Evidence
}

// openProof reads a file of evidence.
func openProof(cfg *Config, data []byte) (*proofFile, error) {
	if !bytes.HasPrefix(data, []byte(proofMagic)) {
		return nil, errors.New("the file does not begin like one of byzd's proofs")
	}
	if len(data) < proofHead+proofTail {
		return nil, fmt.Errorf("the file ends after %d bytes; it was cut off", len(data))
	}
	r := reader{buf: data[len(proofMagic):]}
	version := r.u8()
	if version != ProofVersion && version != ProofVersionChain {
		return nil, fmt.Errorf("the file is of version %d; this byzd reads the versions %d and %d",
			version, ProofVersion, ProofVersionChain)
	}
	cluster, epoch := r.digest(), r.u64()
	sealed := len(data) - proofTail
	if proofDigest(data[:sealed]) != crypto.Digest(data[sealed:]) {
		return nil, errors.New("the closing digest does not fit; the file is damaged")
	}
	if cluster != cfg.Cluster {
		return nil, &wordedError{RefusedCluster, fmt.Sprintf(
			"it is about cluster %s, but the genesis is that of cluster %s",
			cluster.Short(), cfg.Cluster.Short())}
	}
	f := &proofFile{epoch: epoch}
	r = reader{buf: data[proofHead:sealed]}
	if version == ProofVersionChain {
		n := r.count(MaxEpochs, ManifestSize)
		if r.err == nil && (n == 0 || uint64(n) != epoch) { //nolint:gosec // not negative
			return nil, fmt.Errorf("it is about epoch %d, and carries the ends of %d",
				epoch, n)
		}
		for i := 0; i < n && r.err == nil; i++ {
			f.chain = append(f.chain, decodeEpochProof(&r))
		}
	}
	f.evidence = decodeEvidence(&r)
	return f, r.done()
}

// configOf returns the configuration of an epoch, which proofs lead to from an earlier one.
func configOf(cfg *Config, chain []*EpochProof, epoch uint64) (*Config, error) {
	for _, p := range chain {
		if cfg.Epoch >= epoch {
			break
		}
		var err error
		if cfg, err = FollowEpochs(cfg, []*EpochProof{p}); err != nil {
			return nil, err
		}
	}
	switch {
	case epoch < cfg.Epoch:
		return nil, &wordedError{
			RefusedEpoch,
			fmt.Sprintf("it is about epoch %d, not %d", epoch, cfg.Epoch),
		}
	case epoch > cfg.Epoch:
		return nil, &wordedError{RefusedEpoch, fmt.Sprintf("it is about epoch %d, and the proofs "+
			"at hand lead to epoch %d only", epoch, cfg.Epoch)}
	}
	return cfg, nil
}

// wordedError is a refusal in words for people: its own is the label of a counter.
type wordedError struct {
	Refusal

	text string
}

func (e *wordedError) Error() string { return e.text }
func (e *wordedError) Unwrap() error { return e.Refusal }
