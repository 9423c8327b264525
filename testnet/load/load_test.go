package load

import (
	"context"
	"errors"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every duration lies within its bucket, and buckets are narrow.
func TestBuckets(t *testing.T) {
	for _, d := range []time.Duration{
		-1, 0, 1, 63, 64, 65, 127, 128, 999, time.Microsecond, 1234567, time.Second,
		17 * time.Hour, math.MaxInt64,
	} {
		b := bucketOf(d)
		top, bottom := topOf(b), time.Duration(-1)
		if b > 0 {
			bottom = topOf(b - 1)
		}
		if d = max(0, d); d > top || d <= bottom || float64(top-bottom-1) > float64(d)/subBuckets {
			t.Errorf("%d lies in bucket %d from %d to %d", d, b, bottom+1, top)
		}
	}
}

func TestQuantiles(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("nothing has a median")
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]float64{0.5: 500, 0.9: 900, 0.99: 990, 1: 1000} {
		got := h.quantile(q).Seconds() * 1000
		if got < want || got > want*(1+1.0/subBuckets) {
			t.Errorf("quantile %v is %v ms, want %v", q, got, want)
		}
	}
}

// counter acknowledges writes and counts them.
type counter struct {
	puts  *atomic.Int64
	seen  *sync.Map
	fails func(n int64) error
}

func (c counter) Put(_ context.Context, key, value []byte) error {
	c.seen.Store(string(key), len(value))
	return c.fails(c.puts.Add(1))
}

var errOdd = errors.New("odd")

func options(clients int, fails func(int64) error) (*Options, counter) {
	c := counter{&atomic.Int64{}, &sync.Map{}, fails}
	o := &Options{Total: 100, ValueBytes: 20, Keys: 3, Limit: time.Minute}
	for range clients {
		o.Writers = append(o.Writers, c)
	}
	return o, c
}

// A total is met exactly, by all clients together, and errors are counted by their kind.
func TestRunTotal(t *testing.T) {
	o, c := options(4, func(n int64) error {
		if n%10 == 1 {
			return errOdd
		}
		return nil
	})
	var begins, ends int
	o.Begins, o.Ends = func() { begins++ }, func() { ends++ }
	o.Kind = func(err error) string { return err.Error() }
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Writes != 100 || r.Errors["odd"] == 0 || r.Max <= 0 || r.PerSecond() <= 0 ||
		begins != 1 || ends != 1 {
		t.Errorf("%+v, begun %d times, ended %d times", r, begins, ends)
	}
	keys := 0
	c.seen.Range(func(_, size any) bool {
		keys++
		return size == 20
	})
	if keys != 3 {
		t.Errorf("%d keys were written", keys)
	}
}

// An interrupted run reports what it has.
func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o, _ := options(2, func(n int64) error {
		if n == 1000 {
			cancel()
		}
		return nil
	})
	o.Total, o.Duration = 0, time.Hour
	r, err := Run(ctx, o)
	if !errors.Is(err, context.Canceled) || r.Writes == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// What happens while warming up is not counted.
func TestRunWarmUp(t *testing.T) {
	o, _ := options(1, func(int64) error { return errOdd })
	o.Total, o.Duration, o.WarmUp = 0, time.Hour, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	o.Writers = []Writer{after{t, 5, cancel}}
	r, err := Run(ctx, o)
	if !errors.Is(err, context.Canceled) || len(r.Errors) > 0 || r.Writes > 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// after ends the run at the n-th write.
type after struct {
	t    *testing.T
	n    int
	stop func()
}

func (a after) Put(_ context.Context, _, value []byte) error {
	if value[7] == byte(a.n) {
		a.stop()
	}
	return nil
}

func TestOptionsCheck(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no clients":  func(o *Options) { o.Writers = nil },
		"no end":      func(o *Options) { o.Total = 0 },
		"no limit":    func(o *Options) { o.Limit = 0 },
		"no keys":     func(o *Options) { o.Keys = 0 },
		"small value": func(o *Options) { o.ValueBytes = -1 },
		"time travel": func(o *Options) { o.WarmUp = -1 },
	} {
		o, _ := options(1, func(int64) error { return nil })
		change(o)
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestCPUTime(t *testing.T) {
	before, err := CPUTime(os.Getpid())
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for used := before; used == before; used, err = CPUTime(os.Getpid()) {
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("a busy process uses no time: %v", err)
		}
	}
	if _, err := CPUTime(-1); err == nil {
		t.Error("a process that is not there has used time")
	}
}
