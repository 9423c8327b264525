package crypto

import (
	"fmt"

	fp "github.com/cloudflare/circl/math/fp25519"
)

// edwardsPoint is a point of edwards25519 in extended coordinates: x = X/Z, y = Y/Z, T = XY/Z. It
// exists to judge public keys when they are loaded, which no signature library does for us; nothing
// secret goes through it, and it is not fast.
type edwardsPoint struct{ x, y, z, t fp.Elt }

// edwardsOrder is the prime order of the group, little endian (RFC 8032 §5.1):
// 2^252 + 27742317777372353535851937790883648493.
const edwardsOrder = "\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10"

// edwardsD returns the curve's constant d = -121665/121666 (RFC 8032 §5.1).
func edwardsD() *fp.Elt {
	return &fp.Elt{
		0xa3, 0x78, 0x59, 0x13, 0xca, 0x4d, 0xeb, 0x75, 0xab, 0xd8, 0x41, 0x41, 0x4d, 0x0a, 0x70,
		0x00, 0x98, 0xe8, 0x79, 0x77, 0x79, 0x40, 0xc7, 0x8c, 0x73, 0xfe, 0x6f, 0x2b, 0xee, 0x6c,
		0x03, 0x52,
	}
}

// checkEd25519Key refuses everything but the canonical encoding of a point of prime order. Under a
// key of small order one signature fits many messages; with a component of small order, verifiers
// that multiply by the cofactor disagree with those that do not.
func checkEd25519Key(b [fp.Size]byte) error {
	p, ok := decodeEdwards(b)
	if !ok {
		return fmt.Errorf("%w: not the canonical encoding of a curve point", ErrPublicKey)
	}
	if p.times("\x08").isIdentity() {
		return fmt.Errorf("%w: point of small order", ErrPublicKey)
	}
	if !p.times(edwardsOrder).isIdentity() {
		return fmt.Errorf("%w: point outside the prime-order subgroup", ErrPublicKey)
	}
	return nil
}

// decodeEdwards is RFC 8032 §5.1.3, and strict: y must be reduced, and zero has no sign.
func decodeEdwards(b [fp.Size]byte) (edwardsPoint, bool) {
	sign := b[fp.Size-1] >> 7
	p := edwardsPoint{y: b}
	p.y[fp.Size-1] &= 0x7f
	reduced := p.y
	fp.Modp(&reduced)
	if reduced != p.y {
		return p, false
	}
	fp.SetOne(&p.z)

	// x² = (y²-1) / (dy²+1)
	var u, v fp.Elt
	fp.Sqr(&u, &p.y)
	fp.Mul(&v, &u, edwardsD())
	fp.Sub(&u, &u, &p.z)
	fp.Add(&v, &v, &p.z)
	if !fp.InvSqrt(&p.x, &u, &v) {
		return p, false
	}
	fp.Modp(&p.x)
	if p.x == (fp.Elt{}) && sign == 1 {
		return p, false
	}
	if p.x[0]&1 != sign {
		fp.Neg(&p.x, &p.x)
	}
	fp.Mul(&p.t, &p.x, &p.y)
	return p, true
}

// add returns p + q, by the formula of Hisil, Wong, Carter and Dawson (2008, §3.1). It is complete,
// so it holds for doubling, for the identity and for points of every order.
func (p *edwardsPoint) add(q *edwardsPoint) *edwardsPoint {
	var a, b, c, d, e, f, g, h, s fp.Elt
	fp.Sub(&a, &p.y, &p.x)
	fp.Sub(&s, &q.y, &q.x)
	fp.Mul(&a, &a, &s)
	fp.Add(&b, &p.y, &p.x)
	fp.Add(&s, &q.y, &q.x)
	fp.Mul(&b, &b, &s)
	fp.Mul(&c, &p.t, &q.t)
	fp.Mul(&c, &c, edwardsD())
	fp.Add(&c, &c, &c)
	fp.Mul(&d, &p.z, &q.z)
	fp.Add(&d, &d, &d)
	fp.Sub(&e, &b, &a)
	fp.Sub(&f, &d, &c)
	fp.Add(&g, &d, &c)
	fp.Add(&h, &b, &a)

	var sum edwardsPoint
	fp.Mul(&sum.x, &e, &f)
	fp.Mul(&sum.y, &g, &h)
	fp.Mul(&sum.z, &f, &g)
	fp.Mul(&sum.t, &e, &h)
	return &sum
}

// times returns p multiplied by a little-endian number, in a time that depends on the number.
func (p *edwardsPoint) times(scalar string) *edwardsPoint {
	product := &edwardsPoint{}
	fp.SetOne(&product.y)
	fp.SetOne(&product.z)
	for i := len(scalar)*8 - 1; i >= 0; i-- {
		product = product.add(product)
		if scalar[i/8]>>(i%8)&1 == 1 {
			product = product.add(p)
		}
	}
	return product
}

func (p *edwardsPoint) isIdentity() bool {
	var difference fp.Elt
	fp.Sub(&difference, &p.y, &p.z)
	x := p.x
	return fp.IsZero(&x) && fp.IsZero(&difference)
}
