package crypto

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

func allKinds() []Kind {
	return []Kind{
		KindPrepare, KindCommit, KindCheckpoint, KindViewChange, KindNewView, KindRequest,
		KindReplyRoot, KindReadResponse, KindNodeRecord, KindAdmin, KindStatus, KindComplain,
		KindProofOfPossession, KindReady, KindRecovery,
	}
}

// TestSignBytesLayout holds the exact bytes: a change here breaks every signature that exists.
func TestSignBytesLayout(t *testing.T) {
	d := Domain{Epoch: 0x0102030405060708}
	for i := range d.Cluster {
		d.Cluster[i] = byte(0xa0 + i)
	}
	want := "62797a642f31" + "00" + // "byzd/1" 0x00
		"05" + // KindNewView
		"a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf" +
		"0102030405060708" + "c0ffee"
	got := d.SignBytes(KindNewView, []byte{0xc0, 0xff, 0xee})
	if hex.EncodeToString(got) != want {
		t.Errorf("SignBytes = %x\nwant %s", got, want)
	}
	if len(got) != domainSize+3 {
		t.Errorf("domainSize = %d, but the head has %d bytes", domainSize, len(got)-3)
	}
	appended := d.AppendSignBytes([]byte("before"), KindNewView, []byte{0xc0, 0xff, 0xee})
	if !bytes.Equal(appended, append([]byte("before"), got...)) {
		t.Errorf("AppendSignBytes = %x", appended)
	}
}

func TestKindsAreDistinctAndNamed(t *testing.T) {
	seen := map[string]Kind{}
	for _, k := range allKinds() {
		name := k.String()
		if strings.HasPrefix(name, "kind-") || strings.ToLower(name) != name {
			t.Errorf("kind %d is called %q", k, name)
		}
		if other, taken := seen[name]; taken {
			t.Errorf("kinds %d and %d are both called %q", k, other, name)
		}
		seen[name] = k
	}
	if got := Kind(200).String(); got != "kind-200" {
		t.Errorf("Kind(200) = %q", got)
	}
}

func TestHashIsTheStatedEncoding(t *testing.T) {
	want := sha256.Sum256([]byte("label\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x03abc" + "\x00\x00\x00\x00\x00\x00\x00\x00"))
	if got := Hash("label", []byte("abc"), nil); got != Digest(want) {
		t.Errorf("Hash = %s, want %x", got, want)
	}
	want = sha256.Sum256([]byte("label\x00"))
	if got := Hash("label"); got != Digest(want) {
		t.Errorf("Hash without parts = %s, want %x", got, want)
	}
	long := strings.Repeat("l", 500)
	want = sha256.Sum256([]byte(long + "\x00"))
	if got := Hash(long); got != Digest(want) {
		t.Errorf("Hash of a long label = %s, want %x", got, want)
	}
}

func TestHashIsUnambiguous(t *testing.T) {
	inputs := [][][]byte{
		nil,
		{nil},
		{nil, nil},
		{[]byte("a")},
		{[]byte("ab")},
		{[]byte("a"), []byte("b")},
		{[]byte("b"), []byte("a")},
		{[]byte("ab"), nil},
		{nil, []byte("ab")},
		{[]byte("\x00\x00\x00\x00\x00\x00\x00\x00")},
	}
	seen := map[Digest]int{}
	for _, label := range []string{"", "x", "xy"} {
		for i, parts := range inputs {
			d := Hash(label, parts...)
			if other, taken := seen[d]; taken {
				t.Errorf("inputs %d and %d (label %q) have the same hash", i, other, label)
			}
			seen[d] = i
		}
	}
}

func TestHashRefusesZeroInLabel(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a label with a zero byte was accepted; it could imitate another label")
		}
	}()
	Hash("a\x00b")
}
