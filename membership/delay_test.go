package membership

import (
	"testing"
	"time"
)

func TestDelayLine(t *testing.T) {
	var d delayLine
	ran := make(chan time.Time, 1)
	start := time.Now()
	if !d.after(20*time.Millisecond, func() { ran <- time.Now() }) {
		t.Fatal("an empty line has no place")
	}
	if took := (<-ran).Sub(start); took < 20*time.Millisecond {
		t.Errorf("ran after %v", took)
	}
	for i := range delayMax {
		if !d.after(time.Hour, func() { t.Error("ran an hour early") }) {
			t.Fatalf("no place for action %d", i)
		}
	}
	if d.after(time.Hour, func() {}) {
		t.Error("the line has no end")
	}
	d.close()
	if d.after(0, func() { t.Error("ran after close") }) {
		t.Error("a closed line takes actions")
	}
}
