package crypto

import (
	"fmt"
	"testing"
)

// benchmarkSchemes runs one benchmark per scheme over a message of the size of a prepare.
func benchmarkSchemes(b *testing.B, run func(b *testing.B, s Scheme, message []byte)) {
	b.Helper()
	message := Domain{Cluster: Hash("bench")}.SignBytes(KindPrepare, make([]byte, 48))
	for _, name := range SchemeNames() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			run(b, mustScheme(b, name), message)
		})
	}
}

func BenchmarkSign(b *testing.B) {
	benchmarkSchemes(b, func(b *testing.B, s Scheme, message []byte) {
		signer := mustSigners(b, s, 1)[0]
		for b.Loop() {
			signer.Sign(message)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	benchmarkSchemes(b, func(b *testing.B, s Scheme, message []byte) {
		signer := mustSigners(b, s, 1)[0]
		signature := signer.Sign(message)
		for b.Loop() {
			if !s.Verify(signer.Public(), message, signature) {
				b.Fatal("refused")
			}
		}
	})
}

func BenchmarkParsePublicKey(b *testing.B) {
	benchmarkSchemes(b, func(b *testing.B, s Scheme, _ []byte) {
		raw := mustSigners(b, s, 1)[0].Public().Bytes()
		for b.Loop() {
			if _, err := s.ParsePublicKey(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchmarkCertificates(b *testing.B, run func(*testing.B, Scheme, []Signer, []byte)) {
	b.Helper()
	benchmarkSchemes(b, func(b *testing.B, s Scheme, message []byte) {
		for _, n := range []int{3, 67} {
			signers := mustSigners(b, s, n)
			b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
				b.ReportAllocs()
				run(b, s, signers, message)
			})
		}
	})
}

func BenchmarkVerifyAggregate(b *testing.B) {
	benchmarkCertificates(b, func(b *testing.B, s Scheme, signers []Signer, message []byte) {
		pubs := publicKeys(signers)
		aggregate := mustAggregate(b, s, signAll(signers, message)...)
		for b.Loop() {
			if !s.VerifyAggregate(pubs, message, aggregate) {
				b.Fatal("refused")
			}
		}
	})
}

func BenchmarkVerifyShares(b *testing.B) {
	benchmarkCertificates(b, func(b *testing.B, s Scheme, signers []Signer, message []byte) {
		pubs, signatures := publicKeys(signers), signAll(signers, message)
		for b.Loop() {
			for i, ok := range s.VerifyShares(pubs, message, signatures) {
				if !ok {
					b.Fatalf("share %d refused", i)
				}
			}
		}
	})
}

func BenchmarkMerkleRoot(b *testing.B) {
	leaves := testLeaves(256)
	b.ReportAllocs()
	for b.Loop() {
		MerkleRoot(leaves)
	}
}
