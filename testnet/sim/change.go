package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"byzd/pbft/quorum"
)

// Change is a change of the members that the administrators of a run want.
type Change struct {
	At    int64 // ms after the faults began
	Signs int   // administrators who sign it; fewer than needed is never made
	Seats []Seat
}

// Seat is a member as a change names it.
type Seat struct {
	Replica int  // those above the members of the first epoch are newcomers
	Second  bool // it signs with its second key
	Absent  bool // nobody starts its process: a change that nobody finishes
}

// adminKeys and adminsNeeded are how many administrators there are, and how many must sign.
const (
	adminKeys    = 3
	adminsNeeded = 2
)

// String is the change as scripts write it: when, who signs, and the members in their order, with
// ' behind one that has its second key and x behind one that is never there.
func (c *Change) String() string {
	words := make([]string, len(c.Seats))
	for i, s := range c.Seats {
		words[i] = strconv.Itoa(s.Replica)
		if s.Second {
			words[i] += "'"
		}
		if s.Absent {
			words[i] += "x"
		}
	}
	return fmt.Sprintf("%d/%d(%s)", c.At, c.Signs, strings.Join(words, " "))
}

func parseChange(text string) (c Change, err error) {
	head, list, found := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	at, signs, both := strings.Cut(head, "/")
	if !found || !both {
		return c, errors.New("a change is AT/SIGNATURES(MEMBERS)")
	}
	if c.At, err = strconv.ParseInt(at, 10, 64); err != nil {
		return c, err
	}
	if c.Signs, err = strconv.Atoi(signs); err != nil {
		return c, err
	}
	for word := range strings.FieldsSeq(list) {
		number := strings.TrimRight(word, "'x")
		s := Seat{
			Second: strings.Contains(word, "'"), Absent: strings.Contains(word, "x"),
		}
		if s.Replica, err = strconv.Atoi(number); err != nil {
			return c, err
		}
		if s.Replica < 0 || s.Replica >= maxPeople {
			return c, fmt.Errorf("there is no replica %d", s.Replica)
		}
		c.Seats = append(c.Seats, s)
	}
	return c, nil
}

// people is how many replicas there are, newcomers included.
func (o *Options) people() int {
	count := o.N
	for i := range o.Changes {
		for _, s := range o.Changes[i].Seats {
			count = max(count, s.Replica+1)
		}
	}
	for _, t := range o.Traitors {
		count = max(count, t.Node+1)
	}
	return count
}

// bad lists the replicas that are charged to f.
func (o *Options) bad() []int {
	list := slices.Clone(o.Twins)
	for _, t := range o.Traitors {
		list = append(list, t.Node)
	}
	if o.Charged >= 0 {
		list = append(list, o.Charged)
	}
	return list
}

// drawChanges draws how the members change. Large clusters, which take long, change less often.
func (o *Options) drawChanges(r *rand.Rand) {
	share := 3
	switch {
	case o.N == 1:
		share = 2
	case o.N >= 10:
		share = 10
	case o.N >= 7:
		share = 4
	}
	if r.IntN(share) > 0 {
		return
	}
	calm := o.calm()
	d := &changes{r: r, o: o, next: o.N}
	for i := range o.N {
		d.now = append(d.now, Seat{Replica: i})
	}
	count := 1
	if r.IntN(3) == 0 {
		count = 2
	}
	at := 100 + r.Int64N(o.Safety/2)
	for range count {
		d.draw(at, calm)
		at += 50 + r.Int64N(o.Safety/2)
	}
	if calm || len(o.Changes) == 0 {
		return
	}
	for _, c := range []class{classHandover, classGhost} {
		on, rate := r.IntN(3) > 0, drawRate(r, classes()[c])
		if on {
			o.Rates[c] = rate
		}
	}
}

// calm reports whether nothing goes wrong at all.
func (o *Options) calm() bool {
	return o.Rates == [classCount]float64{} && len(o.bad()) == 0
}

// changes draws one change after the other.
type changes struct {
	r    *rand.Rand
	o    *Options
	now  []Seat // the members that the last change leads to
	next int    // the number of the next newcomer
}

func (d *changes) draw(at int64, calm bool) {
	for range 8 { // until one leaves few enough liars
		to, came, made := d.target()
		c := Change{At: at, Signs: adminsNeeded, Seats: to}
		if !d.fits(to) {
			continue
		}
		if d.r.IntN(4) == 0 {
			d.r.Shuffle(len(to), func(i, k int) { to[i], to[k] = to[k], to[i] })
		}
		if d.r.IntN(16) == 0 {
			c.Signs, made = adminsNeeded-1, false
		}
		d.o.Changes = append(d.o.Changes, c)
		d.next += came
		if made {
			d.now = slices.Clone(to)
		}
		for i := d.next - came; i < d.next && !calm; i++ {
			d.corrupt(i, to)
		}
		return
	}
}

// target draws the members after a change: how many of them are newcomers, and whether it can be
// made.
func (d *changes) target() (to []Seat, came int, made bool) {
	r, n := d.r, len(d.now)
	to = slices.Clone(d.now)
	add := func(count int, absent bool) {
		for range min(count, maxPeople-d.next) {
			to = append(to, Seat{Replica: d.next + came, Absent: absent})
			came++
		}
	}
	remove := func(count int) {
		for range count {
			if len(to) > 1 {
				i := r.IntN(len(to))
				to = slices.Delete(to, i, i+1)
			}
		}
	}
	grow := (n+2)/3*3 + 1 - n // to the next size that withstands one liar more
	switch p := r.IntN(16); {
	case n < 4 && p < 8, p < 2:
		add(grow, false)
	case p < 5:
		add(1, false)
	case p < 7:
		remove(1)
	case p < 9:
		remove(3)
	case p < 12:
		count := 1 + r.IntN(2)
		remove(count)
		add(n-len(to), false)
	case p < 15:
		i := r.IntN(n)
		to[i].Second = !to[i].Second
	default:
		add(1, true)
		return to, came, false
	}
	return to, came, true
}

// fits reports whether a change leaves no more liars than its members withstand, and is one.
func (d *changes) fits(to []Seat) bool {
	sizes, err := quorum.Of(len(to))
	return err == nil && countBad(to, d.o.bad()) <= sizes.F && !slices.Equal(to, d.now)
}

func countBad(seats []Seat, bad []int) int {
	count := 0
	for _, s := range seats {
		if slices.Contains(bad, s.Replica) {
			count++
		}
	}
	return count
}

// corrupt makes a newcomer a traitor, if the members that it comes to withstand one more.
func (d *changes) corrupt(replica int, to []Seat) {
	sizes, err := quorum.Of(len(to))
	if err != nil || countBad(to, d.o.bad()) >= sizes.F || d.r.IntN(2) == 0 {
		return
	}
	d.o.Traitors = append(d.o.Traitors, Traitor{
		Node: replica, Specs: drawSpecs(d.r, replica, replica+1),
	})
}
