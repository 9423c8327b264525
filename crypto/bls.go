package crypto

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/cloudflare/circl/ecc/bls12381"
	"github.com/cloudflare/circl/sign/bls"
)

// The domain separation tags of the proof-of-possession scheme over BLS12-381 with keys in G1
// (draft-irtf-cfrg-bls-signature-05, §4.2.3).
const (
	blsSignatureTag = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
	blsProofTag     = "BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
)

// blsKeyGenSalt is hashed into the salt of KeyGen (the same draft, §2.3).
const blsKeyGenSalt = "BLS-SIG-KEYGEN-SALT-"

// blsScheme is BLS with proof of possession. The sum of signatures over one message is the
// signature of the sum of the keys, so a certificate is as small as one signature.
//
// Two members who share their secrets can trade parts of their signatures and leave the sum as it
// is. A certificate therefore proves that its signers agreed as a group, each counted once, but is
// no evidence against one of them; a single signature is.
type blsScheme struct {
	onPairing func() // called before every pairing check; nil except in tests
}

type blsSigner struct {
	secret bls12381.Scalar
	public PublicKey
	proof  string
}

func (blsScheme) Name() string       { return SchemeBLS12381 }
func (blsScheme) PublicKeySize() int { return bls12381.G1SizeCompressed }
func (blsScheme) SignatureSize() int { return bls12381.G2SizeCompressed }
func (blsScheme) ProofSize() int     { return bls12381.G2SizeCompressed }

func (blsScheme) CertificateSize(signers int) int {
	if signers <= 0 {
		return 0
	}
	return bls12381.G2SizeCompressed
}

// NewSigner derives the key by the draft's KeyGen, so that the seed gives the same key elsewhere.
func (blsScheme) NewSigner(seed [SeedSize]byte) (Signer, error) {
	salt := sha256.Sum256([]byte(blsKeyGenSalt))
	key, err := bls.KeyGen[bls.KeyG1SigG2](seed[:], salt[:], nil)
	if err != nil {
		return nil, fmt.Errorf("key of this seed: %w", err)
	}
	raw, err := key.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("key of this seed: %w", err)
	}
	var secret bls12381.Scalar
	secret.SetBytes(raw)
	return newBLSSigner(&secret), nil
}

// newBLSSigner takes a secret that is not zero.
func newBLSSigner(secret *bls12381.Scalar) blsSigner {
	var point bls12381.G1
	point.ScalarMult(secret, bls12381.G1Generator())
	public := newBLSKey(point.BytesCompressed(), &point)
	s := blsSigner{secret: *secret, public: public}
	s.proof = string(s.sign(public.Bytes(), blsProofTag))
	return s
}

func newBLSKey(encoding []byte, point *bls12381.G1) PublicKey {
	return PublicKey{scheme: SchemeBLS12381, bytes: string(encoding), point: point}
}

// ParsePublicKey relies on circl for the checks of curve and subgroup and of reduced coordinates;
// the length keeps it from its uncompressed form.
func (blsScheme) ParsePublicKey(b []byte) (PublicKey, error) {
	if len(b) != bls12381.G1SizeCompressed {
		return PublicKey{}, fmt.Errorf("%w: %d bytes, not the %d of %s",
			ErrPublicKey, len(b), bls12381.G1SizeCompressed, SchemeBLS12381)
	}
	point := new(bls12381.G1)
	if err := point.SetBytes(b); err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrPublicKey, err)
	}
	if point.IsIdentity() {
		return PublicKey{}, fmt.Errorf("%w: the identity", ErrPublicKey)
	}
	if !bytes.Equal(point.BytesCompressed(), b) {
		return PublicKey{}, fmt.Errorf("%w: not the canonical encoding", ErrPublicKey)
	}
	return newBLSKey(b, point), nil
}

func (s blsScheme) VerifyProof(pub PublicKey, proof []byte) bool {
	return s.verify(pub, pub.Bytes(), proof, blsProofTag)
}

func (s blsScheme) Verify(pub PublicKey, message, signature []byte) bool {
	return s.verify(pub, message, signature, blsSignatureTag)
}

func (s blsScheme) verify(pub PublicKey, message, signature []byte, tag string) bool {
	if pub.scheme != SchemeBLS12381 {
		return false
	}
	point, ok := parseBLSSignature(signature)
	return ok && s.paired(pub.point, hashToG2(message, tag), point)
}

func (blsScheme) Aggregate(signatures [][]byte) ([]byte, error) {
	if len(signatures) == 0 {
		return nil, fmt.Errorf("%w: none to aggregate", ErrSignature)
	}
	var sum bls12381.G2
	sum.SetIdentity()
	for i, signature := range signatures {
		point, ok := parseBLSSignature(signature)
		if !ok {
			return nil, fmt.Errorf("%w: number %d is not a point of G2", ErrSignature, i)
		}
		sum.Add(&sum, point)
	}
	if sum.IsIdentity() {
		return nil, fmt.Errorf("%w: the sum is the identity", ErrSignature)
	}
	return sum.BytesCompressed(), nil
}

func (s blsScheme) VerifyAggregate(pubs []PublicKey, message, aggregate []byte) bool {
	if !distinctKeys(pubs, SchemeBLS12381) {
		return false
	}
	signature, ok := parseBLSSignature(aggregate)
	if !ok {
		return false
	}
	var sum bls12381.G1
	sum.SetIdentity()
	for _, pub := range pubs {
		sum.Add(&sum, pub.point)
	}
	if sum.IsIdentity() {
		return false
	}
	return s.paired(&sum, hashToG2(message, blsSignatureTag), signature)
}

// paired is the one equation of BLS: e(key, hash) = e(generator, signature).
func (s blsScheme) paired(key *bls12381.G1, hash, signature *bls12381.G2) bool {
	if s.onPairing != nil {
		s.onPairing()
	}
	return bls12381.ProdPairFrac(
		[]*bls12381.G1{key, bls12381.G1Generator()},
		[]*bls12381.G2{hash, signature},
		[]int{1, -1},
	).IsIdentity()
}

func (s blsSigner) Public() PublicKey { return s.public }

func (s blsSigner) Proof() []byte { return []byte(s.proof) }

func (s blsSigner) Sign(message []byte) []byte { return s.sign(message, blsSignatureTag) }

func (s blsSigner) sign(message []byte, tag string) []byte {
	point := hashToG2(message, tag)
	point.ScalarMult(&s.secret, point)
	return point.BytesCompressed()
}

func hashToG2(message []byte, tag string) *bls12381.G2 {
	point := new(bls12381.G2)
	point.Hash(message, []byte(tag))
	return point
}

// parseBLSSignature accepts the compressed encodings of G2 but for that of the identity.
func parseBLSSignature(b []byte) (*bls12381.G2, bool) {
	if len(b) != bls12381.G2SizeCompressed {
		return nil, false
	}
	point := new(bls12381.G2)
	if err := point.SetBytes(b); err != nil || point.IsIdentity() {
		return nil, false
	}
	return point, true
}
