package crypto

import (
	"encoding/binary"

	"github.com/cloudflare/circl/ecc/bls12381"
)

// blsWeightSize is the number of bytes of a weight. With 16 of them, errors that cancel out have to
// be sought among 2^128 hashes.
const blsWeightSize = 16

// blsBatch checks many shares over one message with few pairings. It weighs each share before
// adding them up, since in a plain sum two traitors could hide errors that cancel: then a sum that
// verifies would hold shares that do not, and a certificate from some of them would be refused. The
// weights are hashes of all that is checked, so the verdict is a pure function, and a traitor who
// changes a share changes all weights.
type blsBatch struct {
	scheme     blsScheme
	hash       *bls12381.G2
	keys       []*bls12381.G1
	signatures []*bls12381.G2
	weights    [][blsWeightSize]byte
	verdicts   []bool
	index      []int // position of each well-formed share in verdicts
}

// VerifyShares needs one pairing check if all well-formed shares are good. If not, it bisects.
func (s blsScheme) VerifyShares(pubs []PublicKey, message []byte, signatures [][]byte) []bool {
	b := blsBatch{scheme: s, verdicts: make([]bool, len(signatures))}
	if len(pubs) != len(signatures) {
		return b.verdicts
	}
	transcript := make([][]byte, 0, 1+2*len(pubs))
	transcript = append(transcript, message)
	for i, pub := range pubs {
		signature, ok := parseBLSSignature(signatures[i])
		if !ok || pub.scheme != SchemeBLS12381 {
			continue
		}
		b.index = append(b.index, i)
		b.keys = append(b.keys, pub.point)
		b.signatures = append(b.signatures, signature)
		transcript = append(transcript, pub.Bytes(), signatures[i])
	}
	if len(b.index) == 0 {
		return b.verdicts
	}
	b.hash = hashToG2(message, blsSignatureTag)
	b.weigh(Hash("byzd/bls/batch", transcript...))
	b.settle(0, len(b.index), false)
	return b.verdicts
}

func (b *blsBatch) weigh(transcript Digest) {
	b.weights = make([][blsWeightSize]byte, len(b.index))
	for i := range b.weights {
		number := binary.BigEndian.AppendUint64(nil, uint64(i))
		digest := Hash("byzd/bls/weight", transcript[:], number)
		copy(b.weights[i][:], digest[:])
		b.weights[i][blsWeightSize-1] |= 1 // a weight of zero would hide its share
	}
}

// settle decides the shares from low to high, and returns whether all are good. If guilty, the
// caller knows from its other half that at least one is not, and the first check is saved.
func (b *blsBatch) settle(low, high int, guilty bool) bool {
	if !guilty && b.holds(low, high) {
		for _, i := range b.index[low:high] {
			b.verdicts[i] = true
		}
		return true
	}
	if high-low == 1 {
		return false
	}
	middle := low + (high-low)/2
	clean := b.settle(low, middle, false)
	b.settle(middle, high, clean)
	return false
}

func (b *blsBatch) holds(low, high int) bool {
	if high-low == 1 {
		return b.scheme.paired(b.keys[low], b.hash, b.signatures[low])
	}
	key := weightedSum(b.keys[low:high], b.weights[low:high])
	signature := weightedSum(b.signatures[low:high], b.weights[low:high])
	return b.scheme.paired(key, b.hash, signature)
}

// curveGroup is what G1 and G2 have in common.
type curveGroup[T any] interface {
	*T
	SetIdentity()
	Double()
	Add(p, q *T)
}

// weightedSum returns the sum of the points, each multiplied by its weight. All share the
// doublings, which makes it several times faster than one multiplication each.
func weightedSum[T any, P curveGroup[T]](points []P, weights [][blsWeightSize]byte) P {
	sum := P(new(T))
	sum.SetIdentity()
	for bit := range blsWeightSize * 8 {
		sum.Double()
		for i, point := range points {
			if weights[i][bit/8]>>(7-bit%8)&1 == 1 {
				sum.Add(sum, point)
			}
		}
	}
	return sum
}
