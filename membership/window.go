package membership

// window remembers which packets of one sender have been seen, so that none is believed twice.
// A sender numbers the packets for one receiver from 1 in each of its runs.
type window struct {
	run  uint64 // newest run that a packet was authentic in
	high uint64 // highest sequence number seen in that run
	seen uint64 // bit i: high-i has been seen
}

// windowSize is how far packets may overtake each other on the way.
const windowSize = 64

// judge says whether the packet is new. It changes nothing, so that it can run before the
// signature is checked.
func (w *window) judge(run, sequence uint64) refusal {
	switch {
	case run < w.run:
		return refusedOldRun
	case run > w.run || sequence > w.high:
		return accepted
	case w.high-sequence >= windowSize, w.seen&(1<<(w.high-sequence)) != 0:
		return refusedReplayed
	}
	return accepted
}

// mark records an authentic packet that judge has accepted.
func (w *window) mark(run, sequence uint64) {
	switch {
	case run > w.run:
		*w = window{run: run, high: sequence, seen: 1}
	case sequence > w.high:
		w.seen = w.seen<<(sequence-w.high) | 1
		w.high = sequence
	default:
		w.seen |= 1 << (w.high - sequence)
	}
}

// raise moves on to a run that another authentic statement of the sender has shown.
func (w *window) raise(run uint64) {
	if run > w.run {
		*w = window{run: run}
	}
}
