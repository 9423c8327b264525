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

// ProofVersion is the version of the file form of evidence.
const ProofVersion = 1

// proofHead is magic, version, cluster and epoch; proofTail the closing digest.
const (
	proofHead = len(proofMagic) + 1 + len(crypto.Digest{}) + 8
	proofTail = len(crypto.Digest{})
)

// EncodeProof returns the portable form of a proof: magic, version, cluster ID, epoch, the
// evidence, and a closing digest over all of it. It needs nothing but the members' keys to be
// checked, wherever and whenever.
func EncodeProof(cfg *Config, e *Evidence) []byte {
	w := writer{buf: make([]byte, 0, 1024)}
	w.raw([]byte(proofMagic))
	w.u8(ProofVersion)
	w.digest(cfg.Cluster)
	w.u64(cfg.Epoch)
	e.encode(&w)
	w.digest(proofDigest(w.buf))
	return w.buf
}

// proofDigest closes the file: it tells a damaged file from a worthless accusation. It proves
// nothing; the culprit's signatures do.
func proofDigest(data []byte) crypto.Digest { return crypto.Hash("byzd/proof/1", data) }

// DecodeProof reads what [EncodeProof] wrote and verifies it: the evidence that it returns convicts
// its culprit. The error wraps [ErrProof] and says what is wrong with the file.
func DecodeProof(cfg *Config, data []byte) (*Evidence, error) {
	body, err := proofBody(cfg, data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	r := reader{buf: body}
	e := decodeEvidence(&r)
	if err := r.done(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if err := e.Verify(cfg); err != nil {
		return nil, fmt.Errorf("%w: it accuses member %d of %v, and that does not hold: %w",
			ErrProof, e.Culprit, e.Kind, err)
	}
	return e, nil
}

// proofBody checks everything round the evidence and returns the evidence's bytes.
func proofBody(cfg *Config, data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte(proofMagic)) {
		return nil, errors.New("the file does not begin like one of byzd's proofs")
	}
	if len(data) < proofHead+proofTail {
		return nil, fmt.Errorf("the file ends after %d bytes; it was cut off", len(data))
	}
	r := reader{buf: data[len(proofMagic):]}
	if version := r.u8(); version != ProofVersion {
		return nil, fmt.Errorf("the file is of version %d; this byzd reads version %d",
			version, ProofVersion)
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
	if epoch != cfg.Epoch {
		return nil, &wordedError{RefusedEpoch, fmt.Sprintf("it is about epoch %d, not %d", epoch,
			cfg.Epoch)}
	}
	return data[proofHead:sealed], nil
}

// wordedError is a refusal in words for people: its own is the label of a counter.
type wordedError struct {
	Refusal

	text string
}

func (e *wordedError) Error() string { return e.text }
func (e *wordedError) Unwrap() error { return e.Refusal }
