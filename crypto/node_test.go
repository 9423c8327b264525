package crypto

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	libp2pcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/mr-tron/base58"
)

// TestNodeIDIsPeerID compares our text form, in both directions, with that of go-libp2p.
func TestNodeIDIsPeerID(t *testing.T) {
	for i := range 5 {
		key := NewNetworkKey(testSeed(i))
		id := key.ID()
		theirs, err := libp2pcrypto.UnmarshalEd25519PublicKey(id[:])
		if err != nil {
			t.Fatal(err)
		}
		want, err := peer.IDFromPublicKey(theirs)
		if err != nil {
			t.Fatal(err)
		}
		if got := key.ID().String(); got != want.String() {
			t.Errorf("key %d: %s, libp2p says %s", i, got, want)
		}
		parsed, err := ParseNodeID(want.String())
		if err != nil || parsed != key.ID() {
			t.Errorf("ParseNodeID(%s) = %v, %v", want, parsed, err)
		}
		if !strings.HasPrefix(parsed.String(), "12D3KooW") ||
			!strings.HasSuffix(parsed.String(), parsed.Short()) || len(parsed.Short()) != 6 {
			t.Errorf("odd forms %s and %s", parsed, parsed.Short())
		}
	}
}

// TestNodeIDKnown is the example of the libp2p specification's peer-ids document.
func TestNodeIDKnown(t *testing.T) {
	const text = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
	id, err := ParseNodeID(text)
	if err != nil {
		t.Fatal(err)
	}
	if id.String() != text {
		t.Errorf("%s comes back as %s", text, id)
	}
	theirs, err := peer.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	key, err := theirs.ExtractPublicKey()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := key.Raw()
	if err != nil || !bytes.Equal(raw, id[:]) {
		t.Errorf("we read key %x, libp2p %x, %v", id[:], raw, err)
	}
}

func TestParseNodeIDRefuses(t *testing.T) {
	id := NewNetworkKey(testSeed(1)).ID()
	raw, err := base58.Decode(id.String())
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{
		"empty":         "",
		"not base58":    "0OIl",
		"cut":           base58.Encode(raw[:len(raw)-1]),
		"extended":      base58.Encode(append(bytes.Clone(raw), 0)),
		"bare key":      base58.Encode(id[:]),
		"other type":    base58.Encode(flipped(raw, 3*8)),
		"RSA peer ID":   "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
		"CID form":      "bafzaajaiaejcal72gwuz2or47oyxxn6b3rwwdmmkrxgkjxzy3rqt5kczyn7lcm3l",
		"with a space":  id.String() + " ",
		"leading ones":  "11" + id.String(),
		"much too long": strings.Repeat("z", 100_000),
	}
	for name, text := range bad {
		if got, err := ParseNodeID(text); err == nil {
			t.Errorf("%s: parsed as %s", name, got)
		}
	}
	if _, err := ParseNodeID(NodeID{}.String()); !errors.Is(err, ErrPublicKey) {
		t.Errorf("the zero ID, a point of small order: %v", err)
	}
}

func TestNetworkKeySigns(t *testing.T) {
	a, b := NewNetworkKey(testSeed(1)), NewNetworkKey(testSeed(2))
	message := []byte("record")
	signature := a.Sign(message)
	if !a.ID().Verify(message, signature) {
		t.Error("own signature refused")
	}
	if b.ID().Verify(message, signature) || a.ID().Verify(message[1:], signature) ||
		a.ID().Verify(message, signature[1:]) || a.ID().Verify(message, nil) {
		t.Error("a wrong signature was accepted")
	}
}

func TestDigestForms(t *testing.T) {
	d := Digest{0xab, 0xcd, 0xef, 0x01, 0x23}
	if d.Short() != "abcdef01" || d.String() != "abcdef0123"+strings.Repeat("0", 54) {
		t.Errorf("forms %s and %s", d.Short(), d)
	}
	if d.IsZero() || !(Digest{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}
