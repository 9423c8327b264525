package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"time"

	"byzd/pbft/message"
)

// ErrSweep says that a text names no crash of a sweep.
var ErrSweep = errors.New("sim: bad crash point")

// sweepOff are the oracles that a crash in the liveness phase makes meaningless: how few messages
// and views a run needs in which nothing goes wrong.
func sweepOff() map[string]bool { return map[string]bool{"O15": true, "O18": true} }

// sweepScenarios are the names of what is swept, one after the other.
func sweepScenarios() []string {
	return []string{"plain", "short-memory", "rotation", "silent-primary", "wiped", "members"}
}

// sweepOptions are those of a scenario's recorded run. All clients are signed: they repeat what
// they asked for elsewhere, so a run must finish its work wherever a node crashes.
func sweepOptions(scenario string) (Options, error) {
	p := message.DefaultParams()
	p.MaxBatchRequests, p.InFlight, p.CheckpointEvery, p.Window = 2, 4, 2, 8
	p.ViewTimeout, p.MaxViewTimeout, p.Testnet = 150, 600, true
	o := Options{
		N: 4, Params: p, TickEvery: 20, Delay: 500, Sync: 300, Turn: 10, SegmentBytes: 8 << 10,
		Clients: 2, Signed: 2, Ops: 12, Keys: 3, Safety: 600, Charged: -1,
	}
	switch scenario {
	case "plain":
	case "short-memory":
		o.SnapshotEvery, o.KeepBatches = 50, 1
	case "rotation":
		o.Params.RotateEvery = 4
	case "silent-primary":
		o.Traitors = []Traitor{{Node: 0, Specs: []string{"mute"}}}
	case "wiped":
		// So long that the others have cut what the wiped node lacks: it must fetch a state.
		o.Charged, o.Rates[classWipe], o.Ops, o.Safety = 3, 3, 30, 1500
		o.SnapshotEvery, o.KeepBatches = 50, 1
	case "members": // one comes, one goes, and one has a new key
		o.Changes = []Change{{
			At: 100, Signs: adminsNeeded,
			Seats: []Seat{{Replica: 1, Second: true}, {Replica: 2}, {Replica: 3}, {Replica: 4}},
		}}
		o.Ops, o.Safety = 16, 1600
		o.SnapshotEvery, o.KeepBatches = 50, 1
	default:
		return o, fmt.Errorf("%w: there is no scenario %q", ErrSweep, scenario)
	}
	return o, nil
}

// SweepCrash is one run of a sweep: a recorded run, and where a node crashes in it.
type SweepCrash struct {
	Scenario string
	Seed     uint64
	Node     int
	Index    int
	After    bool
	Damage   damage
	kind     pointKind
}

// String is what [ParseSweepCrash] reads.
func (c SweepCrash) String() string {
	side := "before"
	if c.After {
		side = "after"
	}
	return fmt.Sprintf("%s,%d,%d,%d,%s,%v", c.Scenario, c.Seed, c.Node, c.Index, side, c.Damage)
}

// Run runs it. A crash that the run does not come to is a failure: then the run is not the one that
// was recorded.
func (c SweepCrash) Run(s Setup) (*Result, error) {
	r, _, err := c.run(s)
	return r, err
}

func (c SweepCrash) run(s Setup) (*Result, *probe, error) {
	opts, err := sweepOptions(c.Scenario)
	if err != nil {
		return nil, nil, err
	}
	p := &probe{node: c.Node, index: c.Index, after: c.After, damage: c.Damage}
	s.Options, s.Off, s.probe = &opts, sweepOff(), p
	r := New(c.Seed, s).Run()
	if r.Failure == nil && !p.fired {
		r.Failure = &Failure{Oracle: "sweep", Text: "the run never came to its crash point"}
	}
	return r, p, nil
}

// SweepFailure is a crash after which an oracle found something.
type SweepFailure struct {
	Crash   SweepCrash
	Failure *Failure
}

// Sweep is what came of sweeps.
type Sweep struct {
	Runs     int               // recorded
	Points   [pointKinds]int   // effects that they have
	Crashed  [pointKinds]int   // of them, those at which a node crashed, or was to
	Fetching int               // of all points, those of a node that fetches a state
	All      int               // crashes that there were to be
	Crashes  int               // that there were
	Marks    [markCount]uint64 // that the recorded runs came to
	Struck   [markCount]uint64 // crashes by what they struck
	Failures []SweepFailure
	Elapsed  time.Duration
}

// SweepOptions say what to sweep.
type SweepOptions struct {
	Scenarios []string // nil: all
	Seed      uint64   // of the first recorded runs
	Runs      int      // one for each scenario, and then with the next seed; 0: one each
	// Every takes a part, if it is more than 1: each so manieth effect, with one damage in turn.
	Every int
	// Progress, if not nil, is told after each crash. It is called by one goroutine at a time.
	Progress func(s *Sweep, elapsed time.Duration)
}

// sweepFailures end a sweep: what is broken once is broken often.
const sweepFailures = 20

// RunSweep records runs, and repeats each with a crash before and after every effect of every node,
// with every damage that can make a difference there. Crashes come in an order that is drawn, so
// that a sweep which ctx ends has looked a little everywhere; what it did is returned.
func RunSweep(ctx context.Context, o SweepOptions) (*Sweep, error) {
	s, began := &Sweep{}, time.Now()
	if o.Scenarios == nil {
		o.Scenarios = sweepScenarios()
	}
	if o.Runs == 0 {
		o.Runs = len(o.Scenarios)
	}
	var todo []SweepCrash
	for i := range o.Runs {
		at := o.Seed + uint64(i/len(o.Scenarios))
		list, err := s.record(o.Scenarios[i%len(o.Scenarios)], at, max(o.Every, 1), i)
		if err != nil {
			return s, err
		}
		todo = append(todo, list...)
	}
	s.All = len(todo)
	r := rand.New(rand.NewPCG(o.Seed, 0)) //nolint:gosec // repeatable
	r.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	s.crash(ctx, todo, began, o.Progress)
	s.Elapsed = time.Since(began)
	return s, nil
}

// record runs a scenario, and lists the crashes that it is to be repeated with.
func (s *Sweep) record(scenario string, seed uint64, every, shift int) ([]SweepCrash, error) {
	opts, err := sweepOptions(scenario)
	if err != nil {
		return nil, err
	}
	p := &probe{record: true, node: -1}
	r := New(seed, Setup{Options: &opts, Off: sweepOff(), probe: p}).Run()
	s.Runs++
	if r.Failure != nil {
		none := SweepCrash{Scenario: scenario, Seed: seed, Node: -1}
		s.Failures = append(s.Failures, SweepFailure{none, r.Failure})
		return nil, nil //nolint:nilerr // what an oracle found is a result
	}
	for i, count := range &r.Marks {
		s.Marks[i] += count
	}
	var todo []SweepCrash
	for i, at := range p.points {
		s.Points[at.kind]++
		if at.fetch {
			s.Fetching++
		}
		if (i+shift)%every != 0 {
			continue
		}
		s.Crashed[at.kind]++
		todo = append(todo, crashesAt(scenario, seed, &at, i, every > 1)...)
	}
	return todo, nil
}

// crashesAt are the crashes at one effect. Where nothing is unsynced, all that a power cut can do
// is to lose names.
func crashesAt(scenario string, seed uint64, p *effectPoint, turn int, one bool) []SweepCrash {
	var list []SweepCrash
	for side := range 2 {
		count := damageLost + 1
		if p.dirty[side] {
			count = damages
		}
		for d := range count {
			if one && int(d) != (turn/2)%int(count) {
				continue
			}
			list = append(list, SweepCrash{
				Scenario: scenario, Seed: seed, Node: p.Node, Index: p.Index, After: side == 1,
				Damage: d, kind: p.kind,
			})
		}
	}
	return list
}

// crash runs crashes on all processors.
func (s *Sweep) crash(
	ctx context.Context, todo []SweepCrash, began time.Time,
	progress func(*Sweep, time.Duration),
) {
	var mu sync.Mutex
	var group sync.WaitGroup
	next := 0
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				over := i >= len(todo) || ctx.Err() != nil || len(s.Failures) >= sweepFailures
				mu.Unlock()
				if over {
					return
				}
				r, p, err := todo[i].run(Setup{})
				if err != nil {
					panic("sim: " + err.Error()) // its scenario is known
				}
				mu.Lock()
				s.note(todo[i], r, p)
				if progress != nil {
					progress(s, time.Since(began))
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
}

// note adds one crash.
func (s *Sweep) note(c SweepCrash, r *Result, p *probe) {
	s.Crashes++
	for m, count := range &p.struck {
		s.Struck[m] += count
	}
	if r.Failure != nil {
		s.Failures = append(s.Failures, SweepFailure{c, r.Failure})
	}
}

// ParseSweepCrash reads what [SweepCrash.String] wrote. The error wraps [ErrSweep].
func ParseSweepCrash(text string) (c SweepCrash, err error) {
	f := strings.Split(text, ",")
	if len(f) != 6 {
		return c, fmt.Errorf("%w: %q", ErrSweep, text)
	}
	c.Scenario, c.After = f[0], f[4] == "after"
	if _, err := fmt.Sscan(f[1]+" "+f[2]+" "+f[3], &c.Seed, &c.Node, &c.Index); err != nil {
		return c, fmt.Errorf("%w: %q: %w", ErrSweep, text, err)
	}
	for c.Damage = 0; c.Damage < damages; c.Damage++ {
		if c.Damage.String() == f[5] {
			return c, nil
		}
	}
	return c, fmt.Errorf("%w: %q", ErrSweep, text)
}
