package sim

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// Options are everything that a run is made of besides its decisions. They are drawn from the seed
// and may be changed before the run.
type Options struct {
	N      int
	Real   bool // the real signature scheme
	Codec  bool // every frame is encoded and decoded
	Params message.Params

	TickEvery    int64 // ms
	Delay        int64 // µs, the mean of a link
	Sync         int64 // µs, the mean of a flush
	Turn         int64 // µs between an arrival and the turn that takes it
	SegmentBytes int64

	SnapshotEvery int64 // ms; 0: the daemon's default
	KeepBatches   int   // for those who are behind; 0: the daemon's default

	Clients int
	Signed  int // clients with keys of their own
	Ops     int // over all clients
	Keys    int
	Safety  int64 // ms of the phase with faults

	Rates    [classCount]float64 // 0: off
	Traitors []Traitor
	Rush     bool  // traitors hear first and are heard at once
	Twins    []int // replicas that run twice with one key
	Charged  int   // the replica whose disk lies; -1 for none
	Changes  []Change
	Steady   bool // after the healing, who has nothing to do works on until all is done
	Beyond   bool // more than f lie: the oracles flag and go on, and O21 is what is asked
	Apart    int  // a bit for each correct replica that the network keeps from the other ones
}

// Traitor is a replica that lies.
type Traitor struct {
	Node  int
	Specs []string
}

// Draw returns the options of a seed.
func Draw(seed uint64) Options {
	s := newStreams(seed)
	o := drawCluster(s[streamSwarm])
	o.drawChanges(s[streamEpochs])
	o.drawPace(s[streamPace])
	return o
}

func drawCluster(r *rand.Rand) Options {
	o := Options{N: drawMembers(r), Charged: -1}
	o.Real = r.IntN(8) == 0
	o.Codec = o.Real
	o.Params = drawParams(r)
	o.TickEvery = pick(r, int64(20), 20, 30, 50)
	o.Delay = int64(logUniform(r, 100, 8000))
	o.Sync = int64(logUniform(r, 50, 4000))
	o.Turn = pick(r, int64(0), 10, 100)
	o.SegmentBytes = pick(r, int64(8<<10), 16<<10, 64<<10)
	o.Clients = 1 + r.IntN(maxClients)
	if r.IntN(2) == 0 {
		o.Signed = 1 + r.IntN(o.Clients)
	}
	o.Ops = 30 + r.IntN(60)
	o.Keys = 1 + r.IntN(8)
	o.Safety = 2000 + r.Int64N(3000)
	switch {
	case o.N >= 10:
		o.Ops, o.Safety = o.Ops/5, o.Safety/2
	case o.N >= 7:
		o.Ops, o.Safety = o.Ops/3, o.Safety*2/3
	}
	if r.IntN(2) == 0 {
		o.SnapshotEvery, o.KeepBatches = int64(logUniform(r, 50, 2000)), 1+r.IntN(24)
	}
	if r.IntN(24) == 0 { // nothing goes wrong at all
		return o
	}
	for c, d := range classes() {
		if class(c) == classHandover || class(c) == classGhost {
			continue
		}
		on, rate := r.IntN(2) == 0, drawRate(r, d)
		if on && !d.charged {
			o.Rates[c] = rate
		}
	}
	o.drawCharges(r)
	return o
}

// drawRate draws a class's rate, with no more digits than are printed.
func drawRate(r *rand.Rand, d describe) float64 {
	rate := logUniform(r, d.low, d.high)
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(rate, 'g', 3, 64), 64)
	if err != nil {
		panic(fmt.Sprintf("sim: rate %v: %v", rate, err))
	}
	return rounded
}

func drawMembers(r *rand.Rand) int {
	switch p := r.IntN(100); {
	case p < 70:
		return 4
	case p < 90:
		return 7
	case p < 97:
		return 10
	case p < 98:
		return 1
	default:
		return 13
	}
}

func drawParams(r *rand.Rand) message.Params {
	p := message.DefaultParams()
	p.MaxBatchRequests = pick(r, 1, 2, 8, 64, 512)
	p.MaxBatchBytes = pick(r, 1<<10, 8<<10, 512<<10)
	p.MaxBundleBytes = pick(r, 4<<10, 64<<10, 2<<20)
	p.InFlight = pick(r, 1, 2, 4, 8, 8, 16)
	p.CheckpointEvery = pick[uint64](r, 1, 2, 4, 8, 16)
	p.Window = p.CheckpointEvery * pick[uint64](r, 2, 3, 4, 8)
	p.RotateEvery = pick[uint64](r, 0, 0, 0, 4, 16, 32)
	p.ViewTimeout = int64(logUniform(r, 150, 1000))
	p.MaxViewTimeout = p.ViewTimeout * pick[int64](r, 2, 4, 8)
	p.Testnet = true
	return p
}

// drawCharges spends f: on traitors, on twins, on a disk that lies.
func (o *Options) drawCharges(r *rand.Rand) {
	sizes, err := quorum.Of(o.N)
	if err != nil {
		panic(err)
	}
	order := r.Perm(o.N)
	left := sizes.F
	if left > 0 && r.IntN(8) > 0 { // the view that runs at first is led by replica 0
		if r.IntN(3) > 0 {
			at := 0
			for order[at] != 0 {
				at++
			}
			order[0], order[at] = order[at], order[0]
		}
	}
	for ; left > 0; left-- {
		node := order[0]
		switch p := r.IntN(16); {
		case p < 12:
			o.Traitors = append(o.Traitors, Traitor{Node: node, Specs: drawSpecs(r, node, o.N)})
		case p < 14:
			o.Twins = append(o.Twins, node)
		case p < 15 && o.Charged < 0:
			o.Charged = node
			c := class(r.IntN(int(classCount-classLostSync))) + classLostSync //nolint:gosec // few
			o.Rates[c] = drawRate(r, classes()[c])
			if r.IntN(2) == 0 { // who has forgotten its words needs views to come
				o.Params.RotateEvery = 4
			}
		default:
			continue // unused
		}
		order = order[1:]
	}
	o.Rush = r.IntN(2) == 0
}
