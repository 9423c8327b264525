package sim

import (
	"math"
	"math/rand/v2"
)

// stream names a purpose that random numbers are drawn for. Each has a generator of its own, so
// that one more draw for one purpose leaves all others as they were.
type stream uint8

// The streams.
const (
	streamSwarm stream = iota
	streamSchedule
	streamDelay
	streamDrop
	streamDuplicate
	streamCorrupt
	streamCut
	streamCrash
	streamPause
	streamClock
	streamDisk
	streamCharge
	streamTraitor
	streamTwin
	streamHint
	streamForeign
	streamPoison
	streamClient
	streamOps
	streamLiar
	streamHeal
	streamSample
	streamEpochs
	streamShelf
	streamPace
	streamCount
)

// streams are the generators of one run.
type streams [streamCount]*rand.Rand

func newStreams(seed uint64) (s streams) {
	for i := range s {
		id := 0x9e3779b97f4a7c15 * uint64(i+1)
		s[i] = rand.New(rand.NewPCG(seed, id)) //nolint:gosec // repeatable
	}
	return s
}

// logUniform draws between low and high so that each factor of two is as likely as every other.
func logUniform(r *rand.Rand, low, high float64) float64 {
	return low * math.Exp(r.Float64()*math.Log(high/low))
}

// pick returns one of the choices.
func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

// exponential draws a time with a mean, cut off at twenty times of it.
func exponential(r *rand.Rand, mean int64) int64 {
	return int64(min(r.ExpFloat64(), 20) * float64(mean))
}
