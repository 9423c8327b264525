package crypto

import (
	"fmt"

	"github.com/cloudflare/circl/sign/ed25519"
)

// ed25519Scheme is RFC 8032 Ed25519. Every Ed25519 signature of byzd goes through this file and so
// through one verifier: two that differ in a corner would let a traitor split the honest.
type ed25519Scheme struct{}

type ed25519Signer struct {
	private ed25519.PrivateKey
	public  PublicKey
}

func (ed25519Scheme) Name() string       { return SchemeEd25519 }
func (ed25519Scheme) PublicKeySize() int { return ed25519.PublicKeySize }
func (ed25519Scheme) SignatureSize() int { return ed25519.SignatureSize }

func (s ed25519Scheme) NewSigner(seed [SeedSize]byte) (Signer, error) {
	private := ed25519.NewKeyFromSeed(seed[:])
	public, err := s.ParsePublicKey(private[SeedSize:])
	if err != nil {
		return nil, fmt.Errorf("key of this seed: %w", err)
	}
	return ed25519Signer{private: private, public: public}, nil
}

func (ed25519Scheme) ParsePublicKey(b []byte) (PublicKey, error) {
	if len(b) != ed25519.PublicKeySize {
		return PublicKey{}, fmt.Errorf("%w: %d bytes, not the %d of %s",
			ErrPublicKey, len(b), ed25519.PublicKeySize, SchemeEd25519)
	}
	if err := checkEd25519Key([ed25519.PublicKeySize]byte(b)); err != nil {
		return PublicKey{}, err
	}
	return PublicKey{scheme: SchemeEd25519, bytes: string(b)}, nil
}

func (ed25519Scheme) Verify(pub PublicKey, message, signature []byte) bool {
	return pub.scheme == SchemeEd25519 && verifyEd25519([]byte(pub.bytes), message, signature)
}

func (s ed25519Signer) Public() PublicKey { return s.public }

func (ed25519Signer) Proof() []byte { return nil }

func (s ed25519Signer) Sign(message []byte) []byte { return ed25519.Sign(s.private, message) }

// verifyEd25519 is the one verifier. It is total: wrong lengths, an S that is not reduced and keys
// that are no points give false. A key's order is not its matter; see [checkEd25519Key].
func verifyEd25519(public, message, signature []byte) bool {
	return ed25519.Verify(public, message, signature)
}
