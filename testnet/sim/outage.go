package sim

import (
	"fmt"

	"byzd/pbft/message"
)

// Drill is what a drill measured: a run whose faults are written down and not drawn.
type Drill struct {
	Name    string
	Back    int64 // µs of virtual time from the healing until all work was done everywhere
	Tau     int64 // ms, the longest view timeout when it was healed
	Before  int64 // ms, the longest view timeout a minute after the quorum was lost
	View    uint64
	Latency int64 // µs, the mean of what was asked
	Disk    int64 // bytes, the most that the restarted node had
	Done    int   // operations
	Failure *Failure
}

// drillOptions are those of a calm cluster; its clients are signed and repeat elsewhere.
func drillOptions(n, ops int) Options {
	p := message.DefaultParams()
	p.CheckpointEvery, p.Window = 8, 32
	p.ViewTimeout, p.MaxViewTimeout, p.Testnet = 500, 64_000, true
	return Options{
		N: n, Params: p, TickEvery: 50, Delay: 1000, Sync: 500, SegmentBytes: 16 << 10,
		SnapshotEvery: 2000, KeepBatches: 8, Clients: 3, Signed: 3, Ops: ops, Keys: 4,
		Safety: 4000, Charged: -1,
	}
}

// startDrill starts a cluster without phases: the drill says what happens.
func startDrill(seed uint64, opts Options) *World {
	off := sweepOff()
	off["O21"] = true // a drill has no end to judge at, and all that is said would be kept for it
	w := New(seed, Setup{Options: &opts, Off: off})
	for _, n := range w.nodes {
		w.guard(n.start)
	}
	w.advance(warmUp)
	w.phase = phaseFaults
	w.startClients()
	return w
}

// advance lets everything happen for so many µs.
func (w *World) advance(by int64) {
	end := w.now + by
	for w.failure == nil && len(w.queue.heap) > 0 && w.queue.heap[0].at <= end {
		e := w.queue.pop()
		w.now = e.at
		w.events++
		w.guard(func() { w.happen(&e) })
	}
	w.now = end
}

// await lets everything happen until it is so, or for too long, and returns how long that took.
func (w *World) await(limit int64, so func() bool) int64 {
	began := w.now
	for !so() && w.failure == nil {
		if w.now-began > limit {
			w.healed = began
			w.fail("O13", "%s", w.stuck())
			break
		}
		w.advance(10_000)
	}
	return w.now - began
}

// quiet reports whether no client waits, and all nodes that are up are at one place.
func (w *World) quiet() bool {
	for _, c := range w.clients {
		if c.doing != nil {
			return false
		}
	}
	up := make([]bool, len(w.nodes))
	for i, n := range w.nodes {
		up[i] = n.up
	}
	return w.level(up)
}

func (w *World) tau() (longest int64, view uint64) {
	for _, n := range w.nodes {
		if n.up {
			s := n.loop.Replica().State()
			longest, view = max(longest, s.Tau), max(view, s.View)
		}
	}
	return longest, view
}

func (w *World) measured(d *Drill) *Drill {
	d.Failure = w.failure
	_, d.View = w.tau()
	var sum int64
	for _, o := range w.tags {
		if o.completed != 0 {
			d.Done++
			sum += o.completed - o.invoked
		}
	}
	d.Latency = sum / int64(max(d.Done, 1))
	return d
}

// settling is how long after the loss of a quorum the view that was failing may still be
// left, in µs.
const settling = 60_000_000

// DrillOutage stops the first f primaries, one after the other has failed, which lets the view
// timeout grow; then one more member, so that no quorum is left, for so many µs, more than a
// minute; then all come back.
func DrillOutage(seed uint64, n int, lasting int64) *Drill {
	w := startDrill(seed, drillOptions(n, 3000))
	d := &Drill{Name: fmt.Sprintf("%d members, f+1 down for %d s", n, lasting/1_000_000)}
	w.advance(500_000)
	f := w.cfg.Sizes.F
	for i := range f {
		w.stop(w.nodes[i])
	}
	w.await(60_000_000, func() bool {
		_, view := w.tau()
		return view >= uint64(f) //nolint:gosec // small
	})
	w.stop(w.nodes[f])
	w.advance(settling) // f+1 complaints still leave the view that is failing: one step
	d.Before, _ = w.tau()
	w.advance(lasting - settling)
	d.Tau, _ = w.tau()
	for _, c := range w.clients {
		c.left = 0
	}
	for _, n := range w.nodes {
		n.comeBack()
	}
	w.advance(10_000)
	d.Back = 10_000 + w.await(60_000_000, func() bool { return w.allUp() && w.quiet() })
	return w.measured(d)
}

func (w *World) allUp() bool {
	for _, n := range w.nodes {
		if !n.up {
			return false
		}
	}
	return true
}

// DrillSilent stops the first f primaries at once, for ever: the others do all the work.
func DrillSilent(seed uint64, n int) *Drill {
	w := startDrill(seed, drillOptions(n, 30))
	d := &Drill{Name: fmt.Sprintf("%d members, f silent primaries", n)}
	for i := range w.cfg.Sizes.F {
		w.stop(w.nodes[i])
	}
	d.Back = w.await(120_000_000, func() bool {
		for _, c := range w.clients {
			if c.left > 0 {
				return false
			}
		}
		return w.quiet()
	})
	return w.measured(d)
}

// Lone is how the last of four members fares in [DrillLone].
type Lone string

// The ways of a lone member.
const (
	LoneWell     Lone = "well"
	LoneDown     Lone = "down"
	LoneFlapping Lone = "behind links that come and go"
)

// DrillLone lets the last member be down, or its links come and go every 10 ms, for 20 s; clients
// ask the others.
func DrillLone(seed uint64, fares Lone) *Drill {
	w := startDrill(seed, drillOptions(4, 0))
	d := &Drill{Name: "4 members, one of them " + string(fares)}
	w.phase = phaseLive
	for i := range w.opts.N - 1 {
		w.core[i] = true
	}
	for _, c := range w.clients {
		c.left = 300
	}
	lone := w.opts.N - 1
	if fares == LoneDown {
		w.stop(w.nodes[lone])
	}
	for range 2000 {
		if fares == LoneFlapping {
			w.flap(lone)
		}
		w.advance(10_000)
	}
	clear(w.walls)
	if fares == LoneDown {
		w.nodes[lone].comeBack()
	}
	for _, c := range w.clients {
		c.left = 0
	}
	d.Back = w.await(60_000_000, func() bool { return w.allUp() && w.quiet() })
	return w.measured(d)
}

// flap cuts or opens each link of a member, as it is drawn.
func (w *World) flap(lone int) {
	n := w.opts.N
	for k := range lone {
		for _, link := range []int{lone*n + k, k*n + lone} {
			w.walls[link] = int16(w.rnd[streamCut].IntN(2)) //nolint:gosec // 0 or 1
		}
	}
}

// DrillRestarts ends the process of one member so many times, half of them with the power, and
// starts it again, under light load.
func DrillRestarts(seed uint64, count int) *Drill {
	w := startDrill(seed, drillOptions(4, 0))
	d := &Drill{Name: fmt.Sprintf("4 members, one restarts %d times", count)}
	n := w.nodes[1]
	for i := 0; i < count && w.failure == nil; i++ {
		for _, c := range w.clients {
			c.left = max(c.left, 1)
			if c.doing == nil && i%16 == 0 {
				w.later(evClient, 1, int64(c.index))
			}
		}
		w.crashFor(n, 10_000)
		w.await(30_000_000, func() bool { return n.up })
		w.advance(w.rnd[streamCrash].Int64N(60_000))
		d.Disk = max(d.Disk, n.diskBytes())
	}
	for _, c := range w.clients {
		c.left = 0
	}
	d.Back = w.await(60_000_000, w.quiet)
	w.stop(w.nodes[2]) // now the one that restarted is needed for every quorum
	for _, c := range w.clients {
		c.left = 3
		w.later(evClient, 1, int64(c.index))
	}
	w.await(60_000_000, func() bool {
		for _, c := range w.clients {
			if c.left > 0 {
				return false
			}
		}
		return w.quiet()
	})
	return w.measured(d)
}

func (n *node) diskBytes() (sum int64) {
	for _, prefix := range []string{"", "journal/", "snapshot"} {
		names, _ := n.mem.List(prefix)
		for _, name := range names {
			size, _ := n.mem.Size(name)
			sum += size
		}
	}
	return sum
}
