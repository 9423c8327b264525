package api

import (
	"context"
	"errors"
	"testing"
)

type weight int

func (w weight) size() int { return int(w) }

// What waits for a slow reader is bounded, by number and by bytes, and nobody waits for the reader.
func TestOutboxGivesASlowReaderUp(t *testing.T) {
	for name, one := range map[string]struct{ count, size int }{
		"number": {maxAnswersWaiting, 0},
		"bytes":  {96, 1 << 20},
	} {
		o := newOutbox[weight]()
		for range one.count {
			o.put(weight(one.size))
		}
		select {
		case <-o.overflow:
			t.Errorf("%s: given up within the limit", name)
		default:
		}
		o.put(1)
		select {
		case <-o.overflow:
		default:
			t.Errorf("%s: not given up beyond the limit", name)
		}
		o.put(1) // must not close twice
	}
}

// Frames are filled up to their size, in order, and the end comes after the last.
func TestOutboxDrains(t *testing.T) {
	o := newOutbox[weight]()
	if err := o.open(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, w := range []weight{1, frameBytes - 1, 1, 3 * frameBytes, 2} {
		o.put(w)
	}
	o.close()
	o.put(9)
	var frames []int
	err := o.drain(context.Background(), func(frame []weight) error {
		frames = append(frames, len(frame))
		return nil
	})
	want := []int{0, 2, 1, 1, 1}
	if err != nil || len(frames) != len(want) {
		t.Fatalf("frames of %v, %v", frames, err)
	}
	for i := range want {
		if frames[i] != want[i] {
			t.Errorf("frames of %v, want %v", frames, want)
		}
	}
}

func TestAllowance(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	a := newAllowance(2, 10)
	if err := a.take(ctx, 5, 50); err != nil { // alone it passes
		t.Fatal(err)
	}
	taken := make(chan error)
	go func() { taken <- a.take(ctx, 1, 1) }()
	a.reduce(50)
	select {
	case err := <-taken:
		t.Fatalf("taken beyond the count: %v", err)
	default:
	}
	a.give(5)
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := a.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for what is under way: %v", err)
	}
}
