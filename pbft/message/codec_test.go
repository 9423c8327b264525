package message_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// Every message comes back from its frame as it was, and verifies.
func TestRoundTrip(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		w := newWorld(t, 4, scheme)
		seen := map[message.Type]bool{}
		for _, s := range w.samples() {
			t.Run(scheme+"/"+s.name, func(t *testing.T) {
				seen[s.m.Type()] = true
				frame := message.Encode(w.cfg.Epoch, s.m)
				epoch, m, err := message.Decode(frame)
				if err != nil {
					t.Fatal(err)
				}
				if epoch != w.cfg.Epoch || m.Type() != s.m.Type() {
					t.Errorf("%v of epoch %d came back as %v of %d",
						s.m.Type(), w.cfg.Epoch, m.Type(), epoch)
				}
				if again := message.Encode(epoch, m); !bytes.Equal(again, frame) {
					t.Errorf("encoded again it is\n%x\nnot\n%x", again, frame)
				}
				v, err := message.Verify(w.cfg, newCache(), 3, epoch, m)
				if err != nil {
					t.Fatalf("an honest message is refused: %v", err)
				}
				if v.From() != 3 || v.Message() != m {
					t.Error("the verified message is another one")
				}
			})
		}
		for typ := message.TypePrePrepare; typ <= message.TypeStatePart; typ++ {
			if !seen[typ] {
				t.Errorf("no sample of %v", typ)
			}
		}
	}
}

// There is one encoding: a frame with anything missing or anything more is malformed.
func TestStrictFrames(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	for _, s := range w.samples() {
		t.Run(s.name, func(t *testing.T) {
			frame := message.Encode(w.cfg.Epoch, s.m)
			for i := range frame {
				if _, m, err := message.Decode(frame[:i]); !errors.Is(err, message.ErrMalformed) {
					t.Fatalf("the first %d of %d bytes are a %T (%v)", i, len(frame), m, err)
				}
			}
			for _, extra := range [][]byte{{0}, {1}, {0xff}, make([]byte, 200)} {
				longer := slices.Concat(frame, extra)
				if _, m, err := message.Decode(longer); !errors.Is(err, message.ErrMalformed) {
					t.Fatalf("with %d bytes more it is a %T (%v)", len(extra), m, err)
				}
			}
		})
	}
}

// Every byte of a message is either refused when it changes, or known to be advice. Whatever
// decodes has one encoding.
// PROTOCOL §3: B33, B40.
func TestEveryByteIsProtected(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	for _, s := range w.samples() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			frame := message.Encode(w.cfg.Epoch, s.m)
			for i := range frame {
				changed := flipped(frame, i)
				epoch, m, err := message.Decode(changed)
				if err != nil {
					continue
				}
				if again := message.Encode(epoch, m); !bytes.Equal(again, changed) {
					t.Errorf("byte %d flipped: decodes, and encodes as something else", i)
				}
				if free(s, i) {
					continue
				}
				if _, err := message.Verify(w.cfg, newCache(), 0, epoch, m); err == nil {
					t.Errorf("byte %d of %d flipped: still a valid %v", i, len(frame), m.Type())
				}
			}
		})
	}
}

func free(s sample, i int) bool {
	return slices.ContainsFunc(s.free, func(span [2]int) bool {
		return i >= span[0] && i < span[1]
	})
}

func TestUnknownTypes(t *testing.T) {
	for typ := range 256 {
		frame := append([]byte{byte(typ)}, make([]byte, 8)...)
		_, _, err := message.Decode(frame)
		if !errors.Is(err, message.ErrMalformed) {
			t.Errorf("an empty message of type %d: %v", typ, err)
		}
		known := typ >= int(message.TypePrePrepare) && typ <= int(message.TypeAnnouncement)
		name := message.Type(typ).String()
		if isNumber := len(name) > 5 && name[:5] == "type-"; typ > 0 && isNumber == known {
			t.Errorf("type %d is called %q", typ, name)
		}
	}
}

// Numbers end below 2^62, replica numbers below 128, flags are 0 or 1: each field is tried in its
// place.
func TestFieldBounds(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	byName := map[string]message.Message{}
	for _, s := range w.samples() {
		byName[s.name] = s.m
	}
	const huge, top = uint64(message.MaxNumber), uint64(message.MaxNumber - 1)
	big := func(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }
	for _, c := range []struct {
		name, field string
		at          int
		bad, good   []byte
	}{
		{"prepare", "epoch", 1, big(huge), big(top)},
		{"prepare", "kind", head, []byte{3}, []byte{2}},
		{"prepare", "view", head + 1, big(huge), big(top)},
		{"prepare", "seq", head + 9, big(huge), big(top)},
		{"prepare", "voter", head + 49, []byte{0, 128}, []byte{0, 127}},
		{"prepare", "length of the signature", head + 51, []byte{0, 1, 0, 0}, []byte{0, 0, 0, 64}},
		{"checkpoint", "seq", head, big(huge), big(top)},
		{"checkpoint", "voter", head + 72, []byte{1, 0}, []byte{0, 127}},
		{"pre-prepare", "view", head, big(huge), big(top)},
		{"pre-prepare", "epoch of the header", head + 40, big(huge), big(top)},
		{"pre-prepare", "seq of the header", head + 48, big(huge), big(top)},
		{"pre-prepare", "time", head + 128, big(math.MaxUint64), big(top)},
		{"pre-prepare", "view of the header", head + 136, big(huge), big(top)},
		{"pre-prepare", "kind of the batch", head + 144, []byte{2}, []byte{1}},
		{"view-change", "new view", head, big(huge), big(top)},
		{"view-change", "view of high", head + 8, big(huge), big(top)},
		{"view-change", "seq of high", head + 16, big(huge), big(top)},
		{"view-change", "seq of stable", head + 56, big(huge), big(top)},
		{"complain", "view", head, big(huge), big(top)},
		{"complain", "no reason", head + 8, []byte{0}, []byte{1}},
		{"complain", "unknown reason", head + 8, []byte{8}, []byte{7}},
		{"complain", "lifetime", head + 9, big(huge), big(top)},
		{"status", "high", head + 64, big(huge), big(top)},
		{"submission", "gateway", head, []byte{0, 128}, []byte{0, 127}},
		{"submission", "session", head + 2, big(huge), big(top)},
		{"submission", "seq", head + 10, big(huge), big(top)},
		{"submission", "ack", head + 18, big(huge), big(top)},
		{"submission", "no operations", head + 26, []byte{0, 0, 0, 0}, []byte{0, 0, 0, 4}},
		{"submission", "kind of operation", head + 30, []byte{2}, []byte{0}},
		{"fetch-decided", "after", head, big(huge), big(top)},
		{"proof of a checkpoint", "no parts", head, []byte{0}, []byte{4}},
		{"proof of a checkpoint", "unknown part", head, []byte{20}, []byte{4}},
		{"evidence of a vote", "culprit", head + 1, []byte{0, 128}, []byte{0, 127}},
	} {
		t.Run(c.name+"/"+c.field, func(t *testing.T) {
			frame := message.Encode(w.cfg.Epoch, byName[c.name])
			for _, v := range []struct {
				value []byte
				legal bool
			}{{c.bad, false}, {c.good, true}} {
				changed := bytes.Clone(frame)
				copy(changed[c.at:], v.value)
				if _, _, err := message.Decode(changed); (err == nil) != v.legal {
					t.Errorf("value %x: %v", v.value, err)
				}
			}
		})
	}
}

// A forged length or count makes the decoder fail before it allocates for what is not there.
func TestForgedLengthsAllocateNothing(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	for _, s := range w.samples() {
		t.Run(s.name, func(t *testing.T) {
			frame := message.Encode(w.cfg.Epoch, s.m)
			for i := head; i+4 <= len(frame); i++ {
				for _, forged := range []uint32{math.MaxUint32, 1024} {
					changed := bytes.Clone(frame)
					binary.BigEndian.PutUint32(changed[i:], forged)
					got := allocated(func() { _, _, _ = message.Decode(changed) })
					if got > budget(frame) {
						t.Fatalf("count %d at byte %d of %d: %d bytes allocated",
							forged, i, len(frame), got)
					}
				}
			}
		})
	}
}

// budget is what decoding may allocate for a frame: a constant factor, whatever it claims.
func budget(frame []byte) uint64 { return 16*uint64(len(frame)) + 8<<10 }
