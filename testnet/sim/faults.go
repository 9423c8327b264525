package sim

import (
	"byzd/daemon/disk"
	"byzd/daemon/snapshot"
	"byzd/pbft/message"
)

func newMemory() *disk.Memory { return disk.NewMemory() }

// startFaults plans the first strike of every class that strikes now and then.
func (w *World) startFaults() {
	for c, d := range classes() {
		if w.opts.Rates[c] > 0 && !d.each {
			w.nextFault(class(c))
		}
	}
}

func (w *World) nextFault(c class) {
	mean := int64(1e6 / w.opts.Rates[c])
	w.later(evFault, exponential(w.rnd[classStream[c]], mean), int64(c))
}

// fault lets a class strike, and plans its next strike.
func (w *World) fault(c class) {
	if w.phase != phaseFaults {
		return
	}
	w.nextFault(c)
	if !w.decide(c) {
		return
	}
	r := w.rnd[classStream[c]]
	n := w.nodes[r.IntN(len(w.nodes))]
	w.tracef("fault %v", c)
	switch c {
	case classCut, classPartition:
		w.cutLinks(c)
	case classCrash:
		w.crashFor(n, exponential(r, 400_000))
	case classPoint:
		n.fuse = 1 + r.IntN(40)
	case classOutage:
		for _, n := range w.nodes {
			w.crashFor(n, r.Int64N(300_000))
		}
		w.mark(markAllDown)
	case classPause:
		n.paused = max(n.paused, w.now+exponential(r, 400_000))
		w.mark(markPaused)
	case classClock:
		n.turnClock(r.Int64N(1_500_000)-500_000, r.Int64N(7_200_000)-3_600_000)
	case classFull:
		n.mem.Room(r.Int64N(4096))
		w.later(evMend, exponential(r, 700_000), w.remember(cut{full: n}))
	case classIO:
		n.breakDisk(r.IntN(2) == 0, 1+r.IntN(4))
	default:
		w.strange(c)
	}
}

// strange lets the classes strike that tell lies.
func (w *World) strange(c class) {
	r := w.rnd[classStream[c]]
	switch c {
	case classHint:
		n, peer := w.nodes[r.IntN(len(w.nodes))], r.IntN(w.newest().cfg.Sizes.N)
		if n.up && !n.full && peer != n.loop.Self() && w.now >= n.paused {
			n.loop.Hint(peer, r.IntN(2) == 0)
		}
	case classForeign:
		w.sendForeign()
	case classGhost:
		w.sendOldKey()
	case classPoison:
		w.poison()
	case classLiar:
		w.lieAsClient()
	default:
		n := w.nodes[w.opts.Charged]
		sudden := c == classLostSync || c == classMisdirect || c == classOldImage && n.image == nil
		if !sudden && n.aim == 0 && w.probe == nil && r.IntN(2) == 0 {
			n.aim = c
			return
		}
		w.lyingDisk(c, 200_000)
	}
}

// aimed lets the lying disk forget what its node has just signed: now its word is out.
func (w *World) aimed(n *node, t message.Type) {
	r := w.rnd[streamCharge]
	if t != message.TypeViewChange && (t != message.TypeVote || r.IntN(16) != 0) ||
		w.phase != phaseFaults {
		return
	}
	w.later(evStrike, 1, int64(n.aim))
	n.aim = 0
}

// lyingDisk lets the one disk that is charged to f lie; its node is down for about so many µs.
func (w *World) lyingDisk(c class, down int64) {
	n, r := w.nodes[w.opts.Charged], w.rnd[streamCharge]
	switch c {
	case classLostSync:
		if n.disk.lying && n.up { // and now the power goes
			w.crash(n, true)
			w.plan(event{at: w.now + exponential(r, down), kind: evRestart}, n)
		}
		n.disk.lying = true
	case classMisdirect:
		n.disk.misplace = int64(1+r.IntN(8))*512 - 2048
	case classOldImage:
		if n.image == nil {
			n.image = n.mem.Clone()
			return
		}
		w.crashFor(n, exponential(r, down))
		n.mem, n.image = n.image, nil
		n.mem.Crash()
		w.mark(markOldImage)
	case classWipe:
		w.crashFor(n, exponential(r, down))
		n.mem, n.image, n.shelf = newMemory(), nil, shelf{}
		w.mark(markWiped)
	default: // bit rot
		w.crashFor(n, exponential(r, down))
		names, _ := n.mem.List("journal")
		if len(names) == 0 {
			return
		}
		_ = n.mem.Damage(names[r.IntN(len(names))], func(b []byte) []byte {
			if len(b) > 0 {
				b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			}
			return b
		})
		w.mark(markBitRot)
	}
}

// breakDisk lets one of the next calls of the disk fail.
func (n *node) breakDisk(sync bool, call int) {
	if sync {
		n.mem.FailSync(call)
	} else {
		n.mem.Fail(call)
	}
}

// turnClock changes how fast a clock goes, and where it stands after the next start.
func (n *node) turnClock(drift, jump int64) {
	n.offset += (n.w.now - n.driftA) * n.drift / 1_000_000 / 1000
	n.drift, n.driftA = drift, n.w.now
	n.nextJump = jump
}

// jump sets the wall clock, as a process finds it that starts.
func (n *node) jump() {
	if n.nextJump != 0 {
		n.w.mark(markClockJumped)
	}
	n.offset += n.nextJump
	n.nextJump = 0
}

// crashFor ends a process and starts it again after a while.
func (w *World) crashFor(n *node, after int64) {
	if !n.up {
		return
	}
	w.crash(n, w.rnd[streamCrash].IntN(2) == 0)
	w.plan(event{at: w.now + after, kind: evRestart}, n)
}

// crash ends a process. With power the page cache goes too: of what was not synced nothing is left,
// or the first bytes, or any part.
func (w *World) crash(n *node, power bool) {
	if !n.up {
		return
	}
	r := w.rnd[streamCrash]
	w.tracef("%s crashes, power cut %t", n.name(), power)
	w.noteCrash(n)
	if power && n.flushing && !n.early && !n.full && r.IntN(2) == 0 {
		n.disk.cut = true // in the middle of the sync
		_ = n.journal.Flush()
		n.disk.cut = false
	}
	if n.saving != nil {
		w.mark(markCrashSaving)
		if power && r.IntN(2) == 0 {
			n.disk.cut = true
			_ = snapshot.Write(n.disk, n.saving)
			n.disk.cut = false
		}
	}
	n.up, n.dead = false, false
	n.boot++
	clear(n.inbox)
	n.inbox = n.inbox[:0]
	if !power {
		w.mark(markKilled)
		return
	}
	n.shelf.crash(w.rnd[streamShelf])
	switch r.IntN(3) {
	case 0:
		n.mem.Crash()
		w.mark(markPowerCut)
	case 1:
		n.mem.CrashTorn(r.Int64N(n.mem.UnsyncedBytes() + 1))
		w.mark(markPowerTorn)
	default:
		n.mem.CrashKeeping(func(disk.Unsynced) bool { return r.IntN(2) == 0 })
		w.mark(markPowerScattered)
	}
}

// cut is what a fault has broken until it is mended.
type cut struct {
	links []int // places in World.walls
	full  *node
}

// remember notes what is to be mended.
func (w *World) remember(c cut) int64 {
	w.cuts = append(w.cuts, c)
	return int64(len(w.cuts) - 1)
}

func (w *World) mend(i int) {
	c := &w.cuts[i]
	for _, k := range c.links {
		w.walls[k]--
	}
	c.links = nil
	if c.full != nil {
		c.full.mem.Full(false)
		c.full = nil
	}
}

// mendAll mends everything.
func (w *World) mendAll() {
	for i := range w.cuts {
		w.mend(i)
	}
}

// cutLinks cuts one direction of one link, or parts the nodes.
func (w *World) cutLinks(c class) {
	r, n := w.rnd[streamCut], len(w.nodes)
	one := r.IntN(n)
	side := make([]int, n)
	for i := range side {
		side[i] = r.IntN(2)
	}
	shape, other := r.IntN(4), (one+1+r.IntN(max(n-1, 1)))%n
	broken := func(i, k int) bool {
		switch {
		case c == classCut && shape < 2:
			return i == one && k == other
		case c == classCut && shape == 2: // it hears, and nobody hears it
			return i == one
		case c == classCut:
			return k == one
		}
		switch shape {
		case 0: // one alone
			return i == one || k == one
		case 1: // two sides
			return side[i] != side[k]
		case 2: // a ring
			return (i+1)%n != k && (k+1)%n != i
		default: // two sides and a bridge
			return side[i] != side[k] && i != one && k != one
		}
	}
	var links []int
	for i := range n {
		for k := range n {
			if i != k && broken(i, k) {
				links = append(links, i*n+k)
				w.walls[i*n+k]++
			}
		}
	}
	marks := [...]marker{markIsolated, markHalves, markRing, markBridge}
	if c == classPartition {
		w.mark(marks[shape])
	} else {
		w.mark(markOneWay)
	}
	w.later(evMend, exponential(r, 600_000), w.remember(cut{links: links}))
}
