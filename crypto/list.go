package crypto

import (
	"bytes"
	"fmt"
)

// single is what a scheme without aggregation has of its own.
type single interface {
	Name() string
	PublicKeySize() int
	SignatureSize() int
	NewSigner(seed [SeedSize]byte) (Signer, error)
	ParsePublicKey(b []byte) (PublicKey, error)
	Verify(pub PublicKey, message, signature []byte) bool
}

// listScheme makes certificates of a [single] by putting the signatures side by side, in the order
// of their signers. No key can stand in for another, so no proof of possession is needed.
type listScheme struct{ single }

func (listScheme) ProofSize() int { return 0 }

func (s listScheme) CertificateSize(signers int) int {
	return max(signers, 0) * s.SignatureSize()
}

func (s listScheme) VerifyProof(pub PublicKey, proof []byte) bool {
	return pub.scheme == s.Name() && len(proof) == 0
}

func (s listScheme) Aggregate(signatures [][]byte) ([]byte, error) {
	if len(signatures) == 0 {
		return nil, fmt.Errorf("%w: none to aggregate", ErrSignature)
	}
	for i, signature := range signatures {
		if len(signature) != s.SignatureSize() {
			return nil, fmt.Errorf("%w: number %d has %d bytes, not %d",
				ErrSignature, i, len(signature), s.SignatureSize())
		}
	}
	return bytes.Join(signatures, nil), nil
}

func (s listScheme) VerifyAggregate(pubs []PublicKey, message, aggregate []byte) bool {
	if len(aggregate) != s.CertificateSize(len(pubs)) || !distinctKeys(pubs, s.Name()) {
		return false
	}
	size := s.SignatureSize()
	for i, pub := range pubs {
		if !s.Verify(pub, message, aggregate[i*size:(i+1)*size]) {
			return false
		}
	}
	return true
}

func (s listScheme) VerifyShares(pubs []PublicKey, message []byte, signatures [][]byte) []bool {
	verdicts := make([]bool, len(signatures))
	if len(pubs) != len(signatures) {
		return verdicts
	}
	for i, pub := range pubs {
		verdicts[i] = s.Verify(pub, message, signatures[i])
	}
	return verdicts
}
