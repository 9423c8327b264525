package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"byzd/pbft/message"
)

// ErrDeviation says that a text names no deviations.
var ErrDeviation = errors.New("sim: bad deviations")

// deviationKind is what becomes of a delivery instead of itself.
type deviationKind uint8

// The kinds of deviations.
const (
	deviateDrop  deviationKind = iota // it is lost
	deviateLast                       // it comes after everything else, right before the healing
	deviateCrash                      // its receiver loses its power instead, and starts again
	deviationKinds
)

// String is the kind's letter in a replay.
func (k deviationKind) String() string { return "dlc"[k : k+1] }

// Deviation is one departure from a recorded run, at its how-manieth delivery, from 0.
type Deviation struct {
	At   int
	Kind deviationKind
}

// DeviationCase is one run: a recorded one, and the deviations from it in ascending order.
type DeviationCase struct {
	Scenario string
	Seed     uint64
	Placed   []Deviation
}

// String is what [ParseDeviations] reads.
func (c DeviationCase) String() string {
	words := make([]string, len(c.Placed))
	for i, d := range c.Placed {
		words[i] = strconv.Itoa(d.At) + d.Kind.String()
	}
	return fmt.Sprintf("%s,%d,%s", c.Scenario, c.Seed, strings.Join(words, "+"))
}

// ParseDeviations reads what [DeviationCase.String] wrote. The error wraps [ErrDeviation].
func ParseDeviations(text string) (c DeviationCase, err error) {
	bad := func() (DeviationCase, error) {
		return c, fmt.Errorf("%w: %q", ErrDeviation, text)
	}
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return bad()
	}
	c.Scenario = parts[0]
	if c.Seed, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return bad()
	}
	if parts[2] == "" {
		return c, nil
	}
	for word := range strings.SplitSeq(parts[2], "+") {
		d := Deviation{}
		if word == "" {
			return bad()
		}
		for d.Kind.String() != word[len(word)-1:] {
			d.Kind++
			if d.Kind == deviationKinds {
				return bad()
			}
		}
		if d.At, err = strconv.Atoi(word[:len(word)-1]); err != nil || d.At < 0 {
			return bad()
		}
		c.Placed = append(c.Placed, d)
	}
	return c, nil
}

// deviationScenarios are the names of the runs that are deviated from.
func deviationScenarios() []string { return []string{"normal", "view-change", "equivocation"} }

// deviationOptions are those of a scenario's recorded run. Its two clients are signed: they repeat
// what they asked for elsewhere, so a run must finish its work whatever deviates.
func deviationOptions(scenario string) (Options, error) {
	o, err := sweepOptions("plain")
	if err != nil {
		return o, err
	}
	o.Ops, o.Safety = 6, 700
	switch scenario {
	case "normal":
	case "view-change": // the first primary falls silent after its first batch
		o.Ops, o.Safety = 12, 1000
		o.Traitors = []Traitor{{Node: 0, Specs: []string{"mute:from-seq=2"}}}
	case "equivocation": // it proposes one thing to half of the others, and another to the rest
		o.Traitors = []Traitor{{Node: 0, Specs: []string{"equivocate-preprepare"}}}
	default:
		return o, fmt.Errorf("%w: there is no scenario %q", ErrDeviation, scenario)
	}
	return o, nil
}

// deviations counts the deliveries of a run between correct nodes while faults may happen, and lets
// some of them deviate.
type deviations struct {
	placed  []Deviation
	count   int
	reached int  // of placed
	changed bool // the view, before the healing
}

// deviates reports whether something else becomes of a delivery. A STATUS only tells others what to
// repeat, and is sent at every tick: it is not counted.
func (w *World) deviates(from, to *node, p *packet) bool {
	d := w.deviate
	if d == nil || w.phase != phaseFaults || !to.correct || p.typ == message.TypeStatus {
		return false
	}
	at := d.count
	d.count++
	if d.reached == len(d.placed) || d.placed[d.reached].At != at {
		return false
	}
	kind := d.placed[d.reached].Kind
	d.reached++
	delay := w.delay(from, to) // drawn as if nothing had happened
	w.tracef("delivery %d deviates: %v", at, kind)
	e := event{
		tie: w.tie(), kind: evArrive, pack: p, boot: to.boot,
		node: int16(to.index), //nolint:gosec // small
	}
	switch kind {
	case deviateLast:
		e.at = max(w.now, warmUp+w.opts.Safety*1000-2*w.opts.Delay) + delay
	case deviateCrash:
		e.at, e.kind = w.now+delay, evPower
	default:
		return true
	}
	w.queue.push(e)
	return true
}

// Run runs it.
func (c DeviationCase) Run(s Setup) (*Result, error) {
	r, _, err := c.run(s)
	return r, err
}

func (c DeviationCase) run(s Setup) (*Result, *deviations, error) {
	opts, err := deviationOptions(c.Scenario)
	if err != nil {
		return nil, nil, err
	}
	d := &deviations{placed: c.Placed}
	s.Options, s.Off, s.deviate = &opts, sweepOff(), d
	w := New(c.Seed, s)
	r := w.Run()
	d.changed = w.oracles.viewAtHeal > 0
	return r, d, nil
}
