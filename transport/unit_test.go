package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"byzd/crypto"
)

func TestFrameReader_RefusesWithoutMemory(t *testing.T) {
	claim := appendHeader(nil, math.MaxUint32, 1)
	source := bytes.NewReader(claim)
	frames := newFrameReader(source, bufferSize, 1<<20)
	var err error
	allocated := testing.AllocsPerRun(100, func() {
		source.Reset(claim)
		frames.reader.Reset(source)
		_, _, err = frames.next()
	})
	if !errors.Is(err, errFrameTooLarge) {
		t.Fatalf("error: %v", err)
	}
	if allocated > 1 { // the error's value
		t.Errorf("refusing a frame of 4 GiB allocated %v times", allocated)
	}
}

func TestFrameReader_AllocatesTheFrameOnly(t *testing.T) {
	wire := append(appendHeader(nil, 100, 1), make([]byte, 100)...)
	source := bytes.NewReader(wire)
	frames := newFrameReader(source, bufferSize, 1<<20)
	allocated := testing.AllocsPerRun(100, func() {
		source.Reset(wire)
		frames.reader.Reset(source)
		if _, _, err := frames.next(); err != nil {
			t.Fatal(err)
		}
	})
	if allocated != 1 {
		t.Errorf("a frame allocated %v times, want once", allocated)
	}
}

func FuzzFrameReader(f *testing.F) {
	f.Add(append(appendHeader(nil, 3, 9), "abc"...))
	f.Add(appendHeader(nil, 0, 0))
	f.Add(appendHeader(nil, math.MaxUint32, 0))
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, wire []byte) {
		const limit = 64
		frames := newFrameReader(bytes.NewReader(wire), 16, limit)
		var again []byte
		for {
			lamport, frame, err := frames.next()
			if err != nil {
				clean := errors.Is(err, io.EOF) && len(again) == len(wire)
				named := errors.Is(err, errFrameTooLarge) || errors.Is(err, errFrameEmpty) ||
					errors.Is(err, io.ErrUnexpectedEOF)
				if !clean && !named {
					t.Fatalf("after %d of %d bytes: %v", len(again), len(wire), err)
				}
				break
			}
			if len(frame) == 0 || len(frame) > limit {
				t.Fatalf("a frame of %d bytes passed", len(frame))
			}
			again = append(appendHeader(again, len(frame), lamport), frame...)
		}
		if !bytes.HasPrefix(wire, again) {
			t.Errorf("%x was read as %x", wire, again)
		}
	})
}

func FuzzHello(f *testing.F) {
	good := hello{version: 3, cluster: crypto.Digest{1}, epoch: 5, from: crypto.NodeID{7}}
	f.Add(good.encode())
	f.Add([]byte("byzd"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		h, err := decodeHello(wire)
		if err != nil {
			if !errors.Is(err, errHello) {
				t.Fatalf("error without a name: %v", err)
			}
			return
		}
		if again := h.encode(); !bytes.Equal(again, wire) {
			t.Errorf("%x was read as %x", wire, again)
		}
	})
}

func FuzzControl(f *testing.F) {
	f.Add(encodeControl(kindPing, 1))
	f.Add(encodeControl(kindPong, math.MaxUint64))
	f.Add(encodeControl(0, 7))
	f.Add([]byte{kindPing})
	f.Fuzz(func(t *testing.T, frame []byte) {
		kind, sequence, ok := decodeControl(frame)
		if ok && !bytes.Equal(encodeControl(kind, sequence), frame) {
			t.Errorf("%x was read as kind %d of %d", frame, kind, sequence)
		}
		var p pings
		p.send()
		if trip, ok := p.answered(sequence); ok && (sequence != 0 || trip <= 0) {
			t.Errorf("an answer to %d counts, after %s", sequence, trip)
		}
	})
}

// TestFrameReader_Deadlines wants none while nothing has come, one for each piece that is waited
// for, and none left when the frame is there.
func TestFrameReader_Deadlines(t *testing.T) {
	const size = 2*pieceMax + 5
	wire := append(appendHeader(nil, size, 1), make([]byte, size)...)
	for name, c := range map[string]struct {
		chunk int // that one read of the source yields
		want  int // deadlines that are set
	}{
		"all at once":       {len(wire), 2}, // The buffer holds the header and a part of the first piece.
		"header in halves":  {6, 4},
		"a frame in pieces": {bufferSize, 2},
	} {
		set, lifted := 0, 0
		frames := newFrameReader(&chunks{wire, c.chunk}, bufferSize, size)
		frames.patience = time.Second
		frames.deadline = func(at time.Time) error {
			if at.IsZero() {
				lifted++
			} else {
				set++
			}
			return nil
		}
		if _, frame, err := frames.next(); err != nil || len(frame) != size {
			t.Fatalf("%s: %d bytes, %v", name, len(frame), err)
		}
		if set < c.want || set != lifted {
			t.Errorf("%s: %d deadlines were set and %d lifted, want %d", name, set, lifted, c.want)
		}
	}
	whole := append(appendHeader(nil, 3, 1), "abc"...)
	frames := newFrameReader(bytes.NewReader(whole), bufferSize, size)
	frames.deadline = func(time.Time) error {
		t.Error("a frame that was there as a whole cost a deadline")
		return nil
	}
	if _, _, err := frames.next(); err != nil {
		t.Fatal(err)
	}
}

// chunks is a source that yields a few bytes at a time.
type chunks struct {
	rest  []byte
	chunk int
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.rest[:min(len(c.rest), c.chunk)])
	c.rest = c.rest[n:]
	return n, nil
}

func TestHello_RoundTrip(t *testing.T) {
	h := hello{
		version: 3, verdict: verdictMismatch, cluster: crypto.Digest{1, 2}, epoch: 1 << 40,
		from: crypto.NodeID{31: 9},
	}
	got, err := decodeHello(h.encode())
	if err != nil || got != h {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestLane_Bounds(t *testing.T) {
	frame := func(n int) item { return item{frame: []byte{byte(n)}} }
	for _, oldest := range []bool{true, false} {
		l := newLane(1000, 3, oldest)
		total := 0
		for i := range 5 {
			dropped, open := l.push(frame(i))
			if !open {
				t.Fatal("closed")
			}
			total += dropped
		}
		want := []byte{0, 1, 2}
		if oldest {
			want = []byte{2, 3, 4}
		}
		taken, wait := l.take(nil, 1000)
		var got []byte
		for _, it := range taken {
			got = append(got, it.frame...)
		}
		if !slices.Equal(got, want) || total != 2 || wait != 0 || l.waiting() != 0 {
			t.Errorf("oldest=%t: took %v, dropped %d, %d bytes wait",
				oldest, got, total, l.waiting())
		}
	}
}

func TestLane_BoundsBytesOfDelayedFrames(t *testing.T) {
	const size = headerSize + 10
	l := newLane(3*size, 100, true)
	later := time.Now().Add(time.Hour)
	for range 5 {
		l.push(item{frame: make([]byte, 10), due: later})
	}
	if l.waiting() != 3*size || len(l.later) != 3 {
		t.Errorf("%d bytes in %d frames wait", l.waiting(), len(l.later))
	}
	taken, wait := l.take(nil, 1000)
	if len(taken) != 0 || wait <= 59*time.Minute {
		t.Errorf("took %d frames an hour early; next in %s", len(taken), wait)
	}
	if lost := l.close(); lost != 3 {
		t.Errorf("%d frames were lost, want 3", lost)
	}
	if _, open := l.push(item{frame: []byte{1}}); open || l.waiting() != 0 {
		t.Errorf("a closed lane took a frame")
	}
}

func TestRing_AgainstSlice(t *testing.T) {
	var r ring
	var model []uint64
	next := uint64(0)
	for step := range 10000 {
		if push := step%7 < 4 == (step/900%2 == 0); push || len(model) == 0 {
			r.push(item{lamport: next})
			model = append(model, next)
			next++
		} else if got := r.pop().lamport; got != model[0] {
			t.Fatalf("step %d: popped %d, want %d", step, got, model[0])
		} else {
			model = model[1:]
		}
		if r.len() != len(model) {
			t.Fatalf("step %d: %d items, want %d", step, r.len(), len(model))
		}
	}
}

func TestLamport_StandsStillAtTheEnd(t *testing.T) {
	var l Lamport
	l.raise(math.MaxUint64 - 1)
	if got := l.Tick(); got != math.MaxUint64 {
		t.Errorf("tick: %d", got)
	}
	if got := l.Tick(); got != math.MaxUint64 {
		t.Errorf("the clock went on to %d", got)
	}
	if now, ok := l.Observe(math.MaxUint64); !ok || now != math.MaxUint64 {
		t.Errorf("observe: %d, %t", now, ok)
	}
	if _, ok := l.Observe(1); !ok {
		t.Error("a time of the past was refused")
	}
}

func TestLamport_ObserveBounds(t *testing.T) {
	var l Lamport
	if now, ok := l.Observe(MaxLamportJump + 1); ok || now != 0 {
		t.Errorf("a jump too far: %d, %t", now, ok)
	}
	if now, ok := l.Observe(MaxLamportJump); !ok || now != MaxLamportJump+1 {
		t.Errorf("the farthest jump: %d, %t", now, ok)
	}
}

// TestVouching_LiarsAlone has f = 2 liars claim ever more; only a third member moves the clock, and
// then no farther than that member's own time.
func TestVouching_LiarsAlone(t *testing.T) {
	const honest = 5 * MaxLamportJump
	v := &vouching{clock: new(Lamport), faulty: 2, claims: make(map[crypto.NodeID]uint64)}
	for i := range uint64(100) {
		for liar := range byte(2) {
			if v.observe(crypto.NodeID{liar}, math.MaxUint64-i) {
				t.Fatal("a liar's frame passed")
			}
		}
	}
	if v.clock.Now() != 0 {
		t.Fatalf("two liars moved the clock to %d", v.clock.Now())
	}
	if v.observe(crypto.NodeID{9}, honest) {
		t.Fatal("the first refused frame passed")
	}
	if v.clock.Now() != honest {
		t.Errorf("the clock is %d, want %d", v.clock.Now(), uint64(honest))
	}
	if !v.observe(crypto.NodeID{9}, honest+1) {
		t.Error("the vouched time is still refused")
	}
}

func TestRefusals_AreBoundedPerName(t *testing.T) {
	var r refusals
	news := 0
	r.add("rare", crypto.NodeID{1}, "kept")
	for i := range 1000 {
		if r.add("flood", crypto.NodeID{byte(i), byte(i >> 8)}, fmt.Sprint("number ", i)) {
			news++
		}
	}
	for range 3 {
		r.add("flood", crypto.NodeID{1}, "again")
	}
	kept := r.snapshot()
	if len(kept) != 1+refusalsPerName || kept[0].Text != "kept" {
		t.Fatalf("kept %d, the first is %q", len(kept), kept[0].Text)
	}
	if last := kept[len(kept)-1]; last.Text != "again" || last.Count != 3 {
		t.Errorf("the last is %q, %d times", last.Text, last.Count)
	}
	if news > refusalsPerName+10 {
		t.Errorf("%d of 1000 refusals would be logged", news)
	}
}

func TestCounters_HaveDistinctNames(t *testing.T) {
	var c counters
	want := int(counterCount) + 5*int(classCount)
	if got := len(c.snapshot()); got != want {
		t.Errorf("%d names, want %d", got, want)
	}
	for name := range c.snapshot() {
		if name == "" || strings.ContainsAny(name, " -") || name != strings.ToLower(name) {
			t.Errorf("name %q", name)
		}
	}
}

func TestPings_AnswerOnce(t *testing.T) {
	var p pings
	first := p.send()
	if _, ok := p.answered(first + 1); ok {
		t.Error("an answer to a ping that was not sent counts")
	}
	if trip, ok := p.answered(first); !ok || trip <= 0 {
		t.Errorf("round trip %s, %t", trip, ok)
	}
	if _, ok := p.answered(first); ok {
		t.Error("a second answer counts")
	}
	for range len(p.sent) {
		p.send()
	}
	if _, ok := p.answered(first); ok {
		t.Error("an answer to a forgotten ping counts")
	}
}
