package sim

import (
	"math/rand/v2"

	"byzd/daemon/disk"
)

// pointKind is a kind of effect at which the sweep crashes a node.
type pointKind uint8

// The kinds of effects. A flush holds the write and the sync of the journal, which are points too;
// snapshots, the pieces of a state transfer and the cut of a journal are calls of the disk.
const (
	pointSend   pointKind = iota // a message leaves
	pointSome                    // a broadcast has reached some, and not all
	pointResult                  // a result is handed out
	pointFlush                   // the journal is flushed
	pointWrite                   // a file is written
	pointSync                    // a file is synced
	pointName                    // a file is created
	pointAtomic                  // a file is replaced
	pointCut                     // a file is shortened or removed
	pointNames                   // the directory is synced
	pointKinds
)

// String is the kind's name in the table.
func (k pointKind) String() string {
	return [...]string{
		"send", "send to some", "result", "flush", "write", "sync", "create", "replace",
		"truncate or remove", "sync names",
	}[k]
}

// damage is what the power cut leaves of what was not synced.
type damage uint8

// The damages.
const (
	damageClean     damage = iota // the process alone ends
	damageLost                    // nothing unsynced is left
	damageTorn                    // a beginning of it is left
	damageScattered               // any part of it is left
	damages
)

// String is the damage's name in a replay.
func (d damage) String() string {
	return [...]string{"clean", "lost", "torn", "scattered"}[d]
}

// effectPoint is an effect that the first pass has counted.
type effectPoint struct {
	Node  int
	Index int // of the node's effects, from 0
	kind  pointKind
	dirty [2]bool // before and after: something unsynced is on the disk
	fetch bool    // a state is being fetched
}

// probe counts the effects of all nodes of a run, and cuts the power at one of them.
type probe struct {
	record bool
	points []effectPoint
	counts []int
	places [][]int // by node and index, the place in points

	node, index int // where the power goes; node -1: nowhere
	after       bool
	damage      damage
	fired       bool
	struck      [markCount]uint64 // what the crash came in the middle of
}

// powerLoss unwinds the process that loses its power in the middle of a turn.
type powerLoss struct{ n *node }

// point is called before an effect; what it returns is called after it. Either may end the node.
func (n *node) point(kind pointKind) (done func()) {
	p := n.w.probe
	if p == nil || n.disk != nil && n.disk.cut {
		return nothing
	}
	for len(p.counts) <= n.index {
		p.counts = append(p.counts, 0)
		p.places = append(p.places, nil)
	}
	index := p.counts[n.index]
	p.counts[n.index]++
	place := -1
	if p.record {
		place = len(p.points)
		p.points = append(p.points, effectPoint{
			Node: n.index, Index: index, kind: kind,
			dirty: [2]bool{n.mem.UnsyncedBytes() > 0, false},
			fetch: n.up && n.loop.Replica().State().Fetching > 0,
		})
	}
	p.strike(n, index, false)
	return func() {
		if place >= 0 {
			p.points[place].dirty[1] = n.mem.UnsyncedBytes() > 0
		}
		p.strike(n, index, true)
	}
}

func nothing() {}

func (p *probe) strike(n *node, index int, after bool) {
	if p.fired || p.record || p.node != n.index || p.index != index || p.after != after {
		return
	}
	p.fired = true
	panic(powerLoss{n})
}

// restartAfter is how long a node stays down that the sweep has crashed, in µs.
const restartAfter = 100_000

// lose ends the process of a node in the middle of what it did, and starts it again later.
func (w *World) lose(loss powerLoss) {
	n, p := loss.n, w.probe
	w.tracef("%s loses its power at effect %d, after it %t, disk %v", n.name(), p.index, p.after,
		p.damage)
	w.current = nil
	if n.up {
		before := w.marks
		w.noteCrash(n)
		for m := range before {
			p.struck[m] = w.marks[m] - before[m]
		}
	}
	n.up, n.dead = false, false
	n.boot++
	clear(n.inbox)
	n.inbox = n.inbox[:0]
	r := rand.New(rand.NewPCG(w.seed, uint64(p.index))) //nolint:gosec // repeatable
	if p.damage != damageClean {
		n.shelf.crash(w.rnd[streamShelf])
	}
	switch p.damage {
	case damageLost:
		n.mem.Crash()
	case damageTorn:
		n.mem.CrashTorn(r.Int64N(n.mem.UnsyncedBytes() + 1))
	case damageScattered:
		n.mem.CrashKeeping(func(disk.Unsynced) bool { return r.IntN(2) == 0 })
	default:
	}
	w.plan(event{at: w.now + restartAfter, kind: evRestart}, n)
}

func (d *faultyDisk) point(kind pointKind) func() {
	if d.node == nil {
		return nothing
	}
	return d.node.point(kind)
}

// Write implements [disk.File].
func (f *faultyFile) Write(b []byte) (int, error) {
	defer f.disk.point(pointWrite)()
	return f.File.Write(b)
}

// WriteAtomic implements [disk.Disk].
func (d *faultyDisk) WriteAtomic(name string, data []byte) error {
	defer d.point(pointAtomic)()
	return d.Memory.WriteAtomic(name, data)
}

// Truncate implements [disk.Disk].
func (d *faultyDisk) Truncate(name string, size int64) error {
	defer d.point(pointCut)()
	return d.Memory.Truncate(name, size)
}

// Remove implements [disk.Disk].
func (d *faultyDisk) Remove(name string) error {
	defer d.point(pointCut)()
	return d.Memory.Remove(name)
}

// SyncDir implements [disk.Disk].
func (d *faultyDisk) SyncDir() error {
	defer d.point(pointNames)()
	return d.Memory.SyncDir()
}
