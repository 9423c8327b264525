package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"byzd/daemon/config"
	"byzd/testnet"
)

// Whom a series of kills hits.
const (
	KillOne     = "one"     // always the same node
	KillAny     = "any"     // each time another one, by chance; the others are ready then
	KillPrimary = "primary" // whoever leads; the others replace it every second time
)

func killable() []string { return []string{KillOne, KillAny, KillPrimary} }

// killsMost bounds a series.
const killsMost = 10_000

// livesFor is how long a node that is ready lives at most until it is killed.
const livesFor = 500 * time.Millisecond

// killing is a series of kills under way.
type killing struct {
	*strike

	whom   string
	report *KillsReport
	turns  int
	ready  []time.Duration // how long each generation took that became ready
}

// killsFault is the one fault of a run with a series of kills.
func killsFault(o *Options, report *KillsReport) *Fault {
	return &Fault{
		Name: fmt.Sprintf("kill-%s×%d", o.Whom, o.Kills),
		Text: "SIGKILL to one node at a time, at any moment of its life, also while it starts; " +
			"it is started again at once",
		hits: nobody, hold: noHold,
		do: func(ctx context.Context, s *strike) error {
			return (&killing{strike: s, whom: o.Whom, report: report}).all(ctx)
		},
	}
}

// all makes the series. The time that a killed node takes until it is ready is waited for where the
// next kill would be one too many at the same time, and where that moment is the one to kill it.
func (k *killing) all(ctx context.Context) error {
	began := time.Now()
	if err := k.look(ctx, k.report.begin); err != nil {
		return err
	}
	victim := k.random.IntN(k.world.sizes[0])
	for k.report.Done < k.report.Planned {
		var err error
		if victim, err = k.choose(ctx, victim); err != nil {
			return err
		}
		k.say("kill %d of %d hits node %d", k.report.Done+1, k.report.Planned, victim)
		if err := pause(ctx, k.upTo(livesFor)); err != nil {
			return err
		}
		if err := k.kill(ctx, victim, k.world.net.Kill); err != nil {
			return err
		}
		if err := k.replaced(ctx, victim); err != nil {
			return err
		}
		if err := k.startUntilReady(ctx, victim); err != nil {
			return err
		}
	}
	if _, err := k.world.back(ctx, k.world.healthy()...); err != nil {
		return err
	}
	k.report.finish(time.Since(began), k.ready)
	if err := k.settle(ctx); err != nil {
		return err
	}
	k.event.Nodes = k.report.hit()
	k.event.done("%d processes are gone, %d of them had not come as far as to listen, %d were not "+
		"ready yet", k.report.Done, k.report.Starting, k.report.CatchingUp)
	return nil
}

func (k *killing) say(format string, args ...any) {
	if k.report.Done%saidEvery == 0 {
		k.world.say(format, args...)
	}
}

// saidEvery is how many kills pass between two words about them.
const saidEvery = 25

func (k *killing) upTo(d time.Duration) time.Duration {
	return time.Duration(k.random.Int64N(int64(d) + 1))
}

// choose says who is next, and waits until nobody else is away.
func (k *killing) choose(ctx context.Context, last int) (int, error) {
	if k.whom == KillOne {
		return last, nil
	}
	if _, err := k.world.back(ctx, k.world.healthy()...); err != nil {
		return 0, err
	}
	if k.whom == KillAny {
		return k.random.IntN(k.world.sizes[0]), nil
	}
	return k.world.leader(ctx)
}

// kill ends a process, and notes in which part of its life that was.
func (k *killing) kill(
	ctx context.Context, victim int, do func(ctx context.Context, nodes ...int) error,
) error {
	before, err := k.world.net.State()
	if err != nil {
		return err
	}
	n := &before.Nodes[victim]
	// Where it listened before it will again: only the process itself knows whether it does.
	a, err := config.Home(n.Home).ReadAddresses()
	listens := err == nil && a.PID == n.PID
	ready := listens && askedReady(ctx, n.Operator)
	if err := do(ctx, victim); err != nil {
		return err
	}
	after, err := k.world.net.State()
	if err != nil {
		return err
	}
	if a := &after.Nodes[victim]; a.Process != testnet.Killed || n.PID <= 0 || !gone(n.PID) {
		return fmt.Errorf("node %d, process %d, is %s, not killed", victim, n.PID, a.Describe())
	}
	k.report.Done++
	k.report.Nodes[victim].Kills++
	switch {
	case !listens:
		k.report.Starting++
	case !ready:
		k.report.CatchingUp++
	}
	return nil
}

// replaced waits after every second kill of a primary until another node leads. After the others it
// is started at once, and is back before anybody has missed it.
func (k *killing) replaced(ctx context.Context, victim int) error {
	k.turns++
	if k.whom != KillPrimary || k.turns%2 == 0 {
		return nil
	}
	return k.world.until(ctx, func(ctx context.Context) string {
		leader, err := k.world.leader(ctx)
		if err == nil && leader != victim {
			return ""
		}
		return fmt.Sprintf("node %d still leads: %v", victim, err)
	})
}

// startUntilReady starts a node that was killed, perhaps kills it meanwhile, some times in a row,
// and returns when it is ready.
func (k *killing) startUntilReady(ctx context.Context, victim int) error {
	for {
		began := time.Now()
		started := make(chan error, 1)
		go func() { started <- k.world.net.Restart(ctx, victim) }()
		if k.report.Done < k.report.Planned && k.random.IntN(3) == 0 {
			err := k.killStarting(ctx, victim)
			// That it could not be started is what was wanted, and no failure by itself.
			if failed := <-started; err != nil {
				return errors.Join(err, failed)
			}
			continue
		}
		if err := <-started; err != nil {
			return err
		}
		return k.generation(ctx, victim, began)
	}
}

// killStarting kills a node at some moment until it is ready, as a rule.
func (k *killing) killStarting(ctx context.Context, victim int) error {
	until := livesFor
	if len(k.ready) > 0 {
		until = median(k.ready)
	}
	if err := pause(ctx, k.upTo(until)); err != nil {
		return err
	}
	err := k.world.untilEvery(ctx, time.Millisecond, func(context.Context) string {
		if n, err := k.world.node(victim); err != nil || n.PID == 0 {
			return fmt.Sprintf("node %d has no process: %v", victim, err)
		}
		return ""
	})
	if err != nil {
		return err
	}
	return k.kill(ctx, victim, k.world.net.KillNow)
}

// generation waits until a new process is ready, and notes how long that took and what it takes.
func (k *killing) generation(ctx context.Context, victim int, began time.Time) error {
	n, err := k.world.node(victim)
	if err != nil {
		return err
	}
	err = k.world.untilEvery(ctx, readyPoll, func(ctx context.Context) string {
		if !askedReady(ctx, n.Operator) {
			return fmt.Sprintf("node %d is not ready", victim)
		}
		return ""
	})
	if err != nil {
		return err
	}
	took := time.Since(began)
	k.ready = append(k.ready, took)
	u, err := usageOf(&n)
	if err != nil {
		return err
	}
	r := &k.report.Nodes[victim]
	r.Last = u
	r.Most.more(u)
	k.report.Generations = append(k.report.Generations, Generation{
		Node: victim, Kills: k.report.Done, ReadyMS: took.Milliseconds(), Usage: u,
	})
	return nil
}

// readyPoll is between two questions whether a node is ready: as fine as its time is to be known.
const readyPoll = 5 * time.Millisecond

// look notes what every node takes.
func (k *killing) look(ctx context.Context, note func(i int, u Usage)) error {
	if _, err := k.world.back(ctx, k.world.healthy()...); err != nil {
		return err
	}
	st, err := k.world.net.State()
	if err != nil {
		return err
	}
	for i := range st.Nodes {
		u, err := usageOf(&st.Nodes[i])
		if err != nil {
			return err
		}
		note(i, u)
	}
	return nil
}

// settle waits until no node holds much more descriptors than before the first kill: what was open
// to processes that are gone must have been closed.
func (k *killing) settle(ctx context.Context) error {
	err := k.world.until(ctx, func(ctx context.Context) string {
		if err := k.look(ctx, k.report.end); err != nil {
			return err.Error()
		}
		return k.report.leak()
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	k.report.Leak = k.report.leak()
	if k.report.Leak == "" {
		return err
	}
	return nil
}

// median returns the middle of some times, of which there is at least one.
func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}

// checkKills refuses a series of kills that makes no sense.
func (o *Options) checkKills() error {
	switch {
	case o.Kills < 0 || o.Kills > killsMost:
		return fmt.Errorf("%d kills; 1 to %d can be", o.Kills, killsMost)
	case o.Kills == 0 && o.Whom != "":
		return errors.New("whom to kill is said, and not how often")
	case o.Kills == 0:
		return nil
	case !slices.Contains(killable(), o.Whom):
		return fmt.Errorf("there is no %q to be killed; there are %v", o.Whom, killable())
	case len(o.Faults) > 0:
		return errors.New("a series of kills is the only fault of its run")
	case o.Traitors || len(o.Lies) > 0:
		return errors.New("nodes that are killed count among the f; none is left to lie")
	}
	return nil
}

// killsPlan plans a run with a series of kills, in which nobody is charged.
func killsPlan(o *Options, p *plan) {
	p.kills = newKillsReport(o)
	p.strikes = []*strike{{
		Fault: killsFault(o, p.kills), event: &Event{Fault: "kill-" + o.Whom},
		random: rand.New(rand.NewPCG(o.Seed, 1)), //nolint:gosec // a schedule is no secret
	}}
}
