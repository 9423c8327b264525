package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Writer is one client of the service. It is used by one goroutine.
type Writer interface {
	// Put writes a key and returns when the write is acknowledged. It keeps neither slice.
	Put(ctx context.Context, key, value []byte) error
}

// Options say what load is put on.
type Options struct {
	// Writers are the clients; each does one thing at a time.
	Writers []Writer
	// Duration of the measurement. Total, if it is not zero, ends it after so many writes.
	Duration time.Duration
	Total    int64
	// WarmUp comes before and is not counted.
	WarmUp time.Duration
	// ValueBytes is the size of the values, Keys the number of different keys.
	ValueBytes int
	Keys       int
	// Seed makes the same keys and values again.
	Seed uint64
	// Limit bounds one write.
	Limit time.Duration
	// Kind names an error's kind, so that few kinds are counted; nil counts them together.
	Kind func(error) string
	// Begins and Ends, if set, are called when the measurement does.
	Begins, Ends func()
	// Progress, if set, is called about once a second with what was measured so far; the number is
	// of acknowledged writes.
	Progress func(elapsed time.Duration, writes uint64)
}

// Report is what was measured.
type Report struct {
	Elapsed            time.Duration
	Writes             uint64 // acknowledged
	P50, P90, P99, Max time.Duration
	Errors             map[string]uint64
}

// PerSecond returns the throughput.
func (r *Report) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Writes) / r.Elapsed.Seconds()
}

// Check returns an error that names what cannot be.
func (o *Options) Check() error {
	switch {
	case len(o.Writers) == 0:
		return errors.New("a load needs at least one client")
	case o.Duration <= 0 && o.Total <= 0:
		return errors.New("a load needs a duration or a total")
	case o.WarmUp < 0 || o.Total < 0:
		return errors.New("a load has no negative times or totals")
	case o.ValueBytes < 0:
		return fmt.Errorf("values of %d bytes", o.ValueBytes)
	case o.Keys < 1:
		return fmt.Errorf("%d keys; at least one is needed", o.Keys)
	case o.Limit <= 0:
		return errors.New("a write needs a limit")
	}
	return nil
}

// The phases of a run.
const (
	warming int32 = iota
	measuring
	over
)

// run is a load under way.
type run struct {
	o       *Options
	phase   atomic.Int32
	left    atomic.Int64 // writes to be measured, with a total
	full    chan struct{}
	once    sync.Once
	times   histogram
	mu      sync.Mutex
	errors  map[string]uint64
	started time.Time
}

// Run puts on the load and returns what was measured, also when the context ends early; then the
// error is the context's. Writes under way at the end are waited for, within their limit.
func Run(ctx context.Context, o *Options) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	r := &run{o: o, errors: map[string]uint64{}, full: make(chan struct{})}
	r.left.Store(o.Total)
	var clients sync.WaitGroup
	for i, w := range o.Writers {
		clients.Go(func() { r.client(ctx, i, w) })
	}
	elapsed := r.conduct(ctx)
	report := &Report{
		Elapsed: elapsed, Writes: r.times.count(), P50: r.times.quantile(0.5),
		P90: r.times.quantile(0.9), P99: r.times.quantile(0.99),
		Max: time.Duration(r.times.longest.Load()),
	}
	clients.Wait()
	report.Errors = r.errors
	return report, ctx.Err()
}

// conduct leads through the phases and returns how long was measured.
func (r *run) conduct(ctx context.Context) time.Duration {
	wait(ctx, r.o.WarmUp, nil)
	if ctx.Err() != nil {
		r.phase.Store(over)
		return 0
	}
	if r.o.Begins != nil {
		r.o.Begins()
	}
	r.started = time.Now()
	r.phase.Store(measuring)
	for ctx.Err() == nil {
		step := time.Second
		if r.o.Duration > 0 {
			step = min(step, r.o.Duration-time.Since(r.started))
		}
		if step <= 0 || wait(ctx, step, r.full) {
			break
		}
		if r.o.Progress != nil {
			r.o.Progress(time.Since(r.started), r.times.count())
		}
	}
	r.phase.Store(over)
	elapsed := time.Since(r.started)
	if r.o.Ends != nil {
		r.o.Ends()
	}
	return elapsed
}

// wait waits, and reports whether done came first.
func wait(ctx context.Context, d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	case <-done:
		return true
	}
}

// Pauses of a client whose write failed, so that a service that refuses is not asked without end.
const (
	pauseLeast = 5 * time.Millisecond
	pauseMost  = 500 * time.Millisecond
)

// client is the closed loop of one client.
func (r *run) client(ctx context.Context, number int, w Writer) {
	source := rand.NewPCG(r.o.Seed, uint64(number)) //nolint:gosec // not negative
	random := rand.New(source)                      //nolint:gosec // a workload is no secret
	value := make([]byte, r.o.ValueBytes)
	for i := range value {
		value[i] = byte(random.Uint32()) //nolint:gosec // any byte will do
	}
	key := make([]byte, 0, 32)
	pause := pauseLeast
	for count := uint64(0); ctx.Err() == nil && r.phase.Load() != over; count++ {
		key = fmt.Appendf(key[:0], "bench/%08d", random.IntN(r.o.Keys))
		if len(value) >= 8 {
			binary.BigEndian.PutUint64(value, count)
		}
		began := time.Now()
		err := r.put(ctx, w, key, value)
		if ctx.Err() == nil || err == nil {
			r.note(time.Since(began), err)
		}
		if err == nil {
			pause = pauseLeast
			continue
		}
		wait(ctx, rand.N(pause)+1, nil) //nolint:gosec // jitter is no secret
		pause = min(2*pause, pauseMost)
	}
}

func (r *run) put(ctx context.Context, w Writer, key, value []byte) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.Limit)
	defer cancel()
	return w.Put(ctx, key, value)
}

// note counts one write that has ended, if it did so while measuring.
func (r *run) note(took time.Duration, err error) {
	if r.phase.Load() != measuring {
		return
	}
	if err != nil {
		kind := "failed"
		if r.o.Kind != nil {
			kind = r.o.Kind(err)
		}
		r.mu.Lock()
		r.errors[kind]++
		r.mu.Unlock()
		return
	}
	if r.o.Total > 0 {
		left := r.left.Add(-1)
		if left < 0 {
			return
		}
		defer func() {
			if left == 0 {
				r.once.Do(func() { close(r.full) })
			}
		}()
	}
	r.times.add(took)
}
