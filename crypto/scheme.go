package crypto

import (
	"fmt"
	"strings"

	"github.com/cloudflare/circl/ecc/bls12381"
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
)

// The names of the signature schemes, as the genesis writes them.
const (
	SchemeEd25519  = "ed25519"
	SchemeBLS12381 = "bls12381"
	SchemeHybrid   = "ed25519+mldsa65"
)

// Scheme is a signature scheme with certificates: many signatures over one message, made into one
// value that a stranger can check. All methods are safe for concurrent use. Those that return a
// bool never panic, whatever the bytes; they refuse keys that another scheme parsed.
type Scheme interface {
	// Name returns the scheme's name in the genesis.
	Name() string
	// PublicKeySize returns the exact number of bytes of every public key.
	PublicKeySize() int
	// SignatureSize returns the exact number of bytes of every signature.
	SignatureSize() int
	// ProofSize returns the exact number of bytes of a proof of possession; 0 if none is needed.
	ProofSize() int
	// CertificateSize returns the exact number of bytes of the aggregate of that many signatures.
	CertificateSize(signers int) int
	// NewSigner derives the key pair of a seed. The same seed gives the same keys.
	NewSigner(seed [SeedSize]byte) (Signer, error)
	// ParsePublicKey accepts exactly the canonical encodings of points of prime order, and returns
	// an error that wraps [ErrPublicKey] for all others.
	ParsePublicKey(b []byte) (PublicKey, error)
	// VerifyProof reports whether proof shows that the key's owner holds its secret. A scheme
	// without proofs accepts only the empty one.
	VerifyProof(pub PublicKey, proof []byte) bool
	// Verify reports whether signature is pub's over message.
	Verify(pub PublicKey, message, signature []byte) bool
	// Aggregate makes one certificate of signatures over one message; a list scheme keeps their
	// order. It checks their form but not whether they verify ([Scheme.VerifyShares] does). It
	// returns an error that wraps [ErrSignature] for none at all, or a malformed one.
	Aggregate(signatures [][]byte) ([]byte, error)
	// VerifyAggregate reports whether aggregate holds the signatures of all of pubs over message.
	// It refuses an empty list, and one that names a key twice.
	VerifyAggregate(pubs []PublicKey, message, aggregate []byte) bool
	// VerifyShares returns for each i whether signatures[i] is that of pubs[i] over message, and
	// all false if the lengths differ. It costs less than as many calls of Verify where the scheme
	// allows, above all if every share is good.
	VerifyShares(pubs []PublicKey, message []byte, signatures [][]byte) []bool
}

// Signer holds a secret key. It is safe for concurrent use.
type Signer interface {
	// Public returns the public half.
	Public() PublicKey
	// Proof returns the proof of possession that goes with the key; empty if the scheme needs none.
	Proof() []byte
	// Sign signs message as it stands, deterministically. The caller puts a domain in front of it.
	Sign(message []byte) []byte
}

// PublicKey is a parsed public key of one scheme. It is immutable. The zero value is no key, and
// verifies nothing.
type PublicKey struct {
	scheme string
	bytes  string
	point  *bls12381.G1       // the decompressed key, of bls12381 only
	mldsa  *mldsa65.PublicKey // the expanded second half, of ed25519+mldsa65 only
}

// Bytes returns the key's only encoding, as a copy.
func (k PublicKey) Bytes() []byte { return []byte(k.bytes) }

// Equal reports whether both are the same key of the same scheme.
func (k PublicKey) Equal(other PublicKey) bool {
	return k.scheme == other.scheme && k.bytes == other.bytes
}

// SchemeNames returns the names that [SchemeByName] knows, the default first.
func SchemeNames() []string {
	return []string{SchemeEd25519, SchemeBLS12381, SchemeHybrid}
}

// SchemeByName returns the scheme that the genesis calls name. Its error wraps [ErrUnknownScheme]
// and lists the known names.
func SchemeByName(name string) (Scheme, error) {
	switch name {
	case SchemeEd25519:
		return listScheme{ed25519Scheme{}}, nil
	case SchemeBLS12381:
		return blsScheme{}, nil
	case SchemeHybrid:
		return listScheme{hybridScheme{}}, nil
	}
	return nil, fmt.Errorf("%w %q; known are %s",
		ErrUnknownScheme, name, strings.Join(SchemeNames(), ", "))
}

// LoadKeys parses the keys of all members, and refuses malformed keys, duplicates, and keys without
// their proof of possession. Certificates are only safe among keys that were loaded together here.
// A scheme without proofs takes nil for proofs. The error names the member by its index from 0, and
// wraps [ErrPublicKey], [ErrDuplicateKey] or [ErrKeyProof].
func LoadKeys(s Scheme, keys, proofs [][]byte) ([]PublicKey, error) {
	if len(proofs) != len(keys) && (s.ProofSize() != 0 || len(proofs) != 0) {
		return nil, fmt.Errorf("%w: %d proofs for %d keys of %s",
			ErrKeyProof, len(proofs), len(keys), s.Name())
	}
	loaded := make([]PublicKey, 0, len(keys))
	owner := make(map[string]int, len(keys))
	for i, raw := range keys {
		pub, err := s.ParsePublicKey(raw)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		if first, taken := owner[pub.bytes]; taken {
			return nil, fmt.Errorf("key %d: %w, the same as key %d", i, ErrDuplicateKey, first)
		}
		owner[pub.bytes] = i
		var proof []byte
		if len(proofs) > 0 {
			proof = proofs[i]
		}
		if !s.VerifyProof(pub, proof) {
			return nil, fmt.Errorf("key %d: %w", i, ErrKeyProof)
		}
		loaded = append(loaded, pub)
	}
	return loaded, nil
}

// distinctKeys reports whether pubs is a non-empty list of different keys, all of scheme.
func distinctKeys(pubs []PublicKey, scheme string) bool {
	seen := make(map[string]struct{}, len(pubs))
	for _, pub := range pubs {
		if pub.scheme != scheme {
			return false
		}
		seen[pub.bytes] = struct{}{}
	}
	return len(pubs) > 0 && len(seen) == len(pubs)
}
