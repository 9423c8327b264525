package sim

// Decision names one strike of a fault class: the how-manieth of it.
type Decision struct {
	Class string
	Nth   int
}

// choices records every decision that is not the default, which is that nothing goes wrong and
// that the network keeps the order. So any part of them is a run, too.
type choices struct {
	only   map[Decision]bool // those that may be; nil: all
	counts [classCount]int
	made   []Decision
}

// strikes decides whether a fault class strikes a message.
func (w *World) strikes(c class) bool {
	rate := w.opts.Rates[c]
	if rate == 0 || w.phase != phaseFaults {
		return false
	}
	return w.rnd[classStream[c]].Float64() < rate && w.decide(c)
}

// decide records a strike, unless it is not to be.
func (w *World) decide(c class) bool {
	w.choices.counts[c]++
	d := Decision{className[c], w.choices.counts[c]}
	if w.choices.only != nil && !w.choices.only[d] {
		return false
	}
	w.choices.made = append(w.choices.made, d)
	w.faults[c]++
	return true
}

// The columns of the table of classes that are read for every message.
//
//nolint:gochecknoglobals // never changed
var (
	classStream = column(func(d describe) stream { return d.stream })
	className   = column(func(d describe) string { return d.name })
)

func column[T any](get func(describe) T) (list [classCount]T) {
	for c, d := range classes() {
		list[c] = get(d)
	}
	return list
}
