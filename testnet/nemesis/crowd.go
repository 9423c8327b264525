package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"byzd/daemon/config"
	"byzd/daemon/genesis"
	"byzd/testnet/load"
)

// How clients behave.
const (
	operationTime = 5 * time.Second       // for one operation
	thinkTime     = 20 * time.Millisecond // at most, between two
	backoffLeast  = 20 * time.Millisecond
	backoffMost   = 500 * time.Millisecond
	ballastBytes  = 128 << 10 // of one write that fills disks
)

// crowd is all clients of a run.
type crowd struct {
	workloads []*load.Workload
	sessions  []session
	seed      uint64
	over      atomic.Bool
	running   sync.WaitGroup
	genesis   *genesis.Genesis
	home      string

	mu       sync.Mutex
	failures map[string]int // what clients were told instead of answers
}

// gather opens the clients of all workloads. Those of one workload are at different gateways.
func gather(ctx context.Context, o *Options, h *load.History, charged []int) (*crowd, error) {
	g, err := genesis.Load(config.Home(o.Home).Genesis())
	if err != nil {
		return nil, err
	}
	c := &crowd{seed: o.Seed, genesis: g, home: o.Home, failures: map[string]int{}}
	for _, name := range o.Workloads {
		w := load.NewWorkload(name, h)
		c.workloads = append(c.workloads, w)
		for k := range o.Clients {
			at := len(c.sessions)
			var s session
			if k%2 == 0 {
				s, err = openSigned(ctx, o.Home, g, at)
			} else {
				s, err = openEtcd(gatewaysOf(o.Home, charged), at)
			}
			if err != nil {
				return nil, errors.Join(err, c.close())
			}
			c.sessions = append(c.sessions, s)
			client := w.NewClient(s, o.Seed)
			pace := rand.New(rand.NewPCG(o.Seed, uint64(at))) //nolint:gosec // no secret
			c.running.Go(func() { c.work(ctx, client, s, pace) })
		}
	}
	return c, nil
}

// work lets one client do one thing after the other until the run is over.
func (c *crowd) work(ctx context.Context, client *load.Client, s session, pace *rand.Rand) {
	backoff := backoffLeast
	for ctx.Err() == nil && !c.over.Load() {
		limited, cancel := context.WithTimeout(ctx, operationTime)
		err := client.Step(limited)
		cancel()
		wait := time.Duration(pace.Int64N(int64(thinkTime)))
		if err != nil && !errors.Is(err, load.ErrNotDone) {
			c.note(err)
			if err := s.move(); err != nil {
				c.note(err)
			}
			wait += backoff
			backoff = min(2*backoff, backoffMost)
		} else {
			backoff = backoffLeast
		}
		if pause(ctx, wait) != nil {
			return
		}
	}
}

// failuresMost bounds the different failures that are kept.
const failuresMost = 100

func (c *crowd) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if text := err.Error(); c.failures[text] > 0 || len(c.failures) < failuresMost {
		c.failures[text]++
	}
}

// filler returns what writes much at once, and is answered by others than the victim.
func (c *crowd) filler(ctx context.Context) (write func(context.Context) error, err error) {
	s, err := openSigned(ctx, c.home, c.genesis, 0)
	if err != nil {
		return nil, err
	}
	c.sessions = append(c.sessions, s)
	value := make([]byte, ballastBytes)
	for i := range value {
		value[i] = 'b'
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, operationTime)
		defer cancel()
		err := s.Put(ctx, "ballast", string(value))
		if errors.Is(err, context.DeadlineExceeded) {
			return nil // it is tried again, as long as it is wanted
		}
		return err
	}, nil
}

// end stops the clients, when what they do has ended.
func (c *crowd) end() {
	c.over.Store(true)
	c.running.Wait()
}

// final reads everything that was written, with a client that believes f+1 members, until it is
// answered.
func (c *crowd) final(ctx context.Context, w *world) error {
	s, err := openSigned(ctx, c.home, c.genesis, 0)
	if err != nil {
		return err
	}
	c.sessions = append(c.sessions, s)
	for _, work := range c.workloads {
		reader := work.NewClient(s, c.seed)
		err := w.until(ctx, func(ctx context.Context) string {
			if err := reader.Final(ctx); err != nil {
				return err.Error()
			}
			return ""
		})
		if err != nil {
			return fmt.Errorf("the final reads of the %s: %w", work.Name(), err)
		}
	}
	return nil
}

func (c *crowd) close() error {
	c.end()
	var failed error
	for _, s := range c.sessions {
		failed = errors.Join(failed, s.close())
	}
	return failed
}
