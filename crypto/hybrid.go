package crypto

import (
	"fmt"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
)

// hybridScheme pairs Ed25519 with ML-DSA-65 (FIPS 204): two signatures over the same message, of
// which both must verify. It stands as long as either of the two does. Keys and signatures are the
// halves side by side, Ed25519 first.
type hybridScheme struct{}

type hybridSigner struct {
	classic Signer
	quantum *mldsa65.PrivateKey
	public  PublicKey
}

func (hybridScheme) Name() string       { return SchemeHybrid }
func (hybridScheme) PublicKeySize() int { return ed25519.PublicKeySize + mldsa65.PublicKeySize }
func (hybridScheme) SignatureSize() int { return ed25519.SignatureSize + mldsa65.SignatureSize }

// NewSigner derives a seed for each half, so that neither half is the key of another scheme.
func (s hybridScheme) NewSigner(seed [SeedSize]byte) (Signer, error) {
	classic, err := ed25519Scheme{}.NewSigner(DeriveSeed(seed, SchemeHybrid+"/ed25519"))
	if err != nil {
		return nil, err
	}
	quantumSeed := DeriveSeed(seed, SchemeHybrid+"/mldsa65")
	quantumPublic, quantum := mldsa65.NewKeyFromSeed(&quantumSeed)
	public, err := s.ParsePublicKey(append(classic.Public().Bytes(), quantumPublic.Bytes()...))
	if err != nil {
		return nil, fmt.Errorf("key of this seed: %w", err)
	}
	return hybridSigner{classic: classic, quantum: quantum, public: public}, nil
}

// ParsePublicKey judges the Ed25519 half as that scheme does. Every string of the right length is
// the one encoding of an ML-DSA key; only the key of zeroes, for which anyone can sign, is refused.
func (s hybridScheme) ParsePublicKey(b []byte) (PublicKey, error) {
	if len(b) != s.PublicKeySize() {
		return PublicKey{}, fmt.Errorf("%w: %d bytes, not the %d of %s",
			ErrPublicKey, len(b), s.PublicKeySize(), SchemeHybrid)
	}
	if err := checkEd25519Key([ed25519.PublicKeySize]byte(b)); err != nil {
		return PublicKey{}, fmt.Errorf("ed25519 half: %w", err)
	}
	packed := [mldsa65.PublicKeySize]byte(b[ed25519.PublicKeySize:])
	if [mldsa65.PublicKeySize - mldsaRhoSize]byte(packed[mldsaRhoSize:]) ==
		([mldsa65.PublicKeySize - mldsaRhoSize]byte{}) {
		return PublicKey{}, fmt.Errorf("%w: the ML-DSA half is zero", ErrPublicKey)
	}
	quantum := new(mldsa65.PublicKey)
	quantum.Unpack(&packed)
	return PublicKey{scheme: SchemeHybrid, bytes: string(b), mldsa: quantum}, nil
}

// mldsaRhoSize is the size of the matrix's seed, which precedes the vector t1 in an ML-DSA key.
const mldsaRhoSize = 32

func (s hybridScheme) Verify(pub PublicKey, message, signature []byte) bool {
	if pub.scheme != SchemeHybrid || len(signature) != s.SignatureSize() {
		return false
	}
	classic := []byte(pub.bytes[:ed25519.PublicKeySize])
	return verifyEd25519(classic, message, signature[:ed25519.SignatureSize]) &&
		mldsa65.Verify(pub.mldsa, message, nil, signature[ed25519.SignatureSize:])
}

func (s hybridSigner) Public() PublicKey { return s.public }

func (hybridSigner) Proof() []byte { return nil }

func (s hybridSigner) Sign(message []byte) []byte {
	signature := make([]byte, ed25519.SignatureSize+mldsa65.SignatureSize)
	copy(signature, s.classic.Sign(message))
	err := mldsa65.SignTo(s.quantum, message, nil, false, signature[ed25519.SignatureSize:])
	if err != nil {
		panic(fmt.Sprintf("crypto: ML-DSA refuses an empty context: %v", err))
	}
	return signature
}
