package twins

import (
	"fmt"
	"math/rand/v2"
)

// Set is a family of scenarios, in a fixed order.
type Set struct {
	Name string
	Text string
	// Size is the number of scenarios of a set that is enumerated; 0 if it is drawn at random, and
	// then without end.
	Size uint64
	at   func(seed, k uint64) *Scenario
}

// At returns the scenario with a number. The seed matters only to a set that is drawn at random.
func (s *Set) At(seed, k uint64) *Scenario { return s.at(seed, k) }

// partitions lists the ways to split so many instances into at most so many parts, one letter for
// each instance, in lexical order.
func partitions(instances, parts int) []string {
	list := []string{""}
	for range instances {
		var longer []string
		for _, p := range list {
			used := 0
			for _, c := range p {
				used = max(used, int(c-'a')+1)
			}
			for c := range min(used+1, parts) {
				longer = append(longer, p+string(rune('a'+c)))
			}
		}
		list = longer
	}
	return list
}

// reduced lists the ways to split three correct replicas, which are taken to be alike, and two
// copies into at most two parts: how many of the three are with the first copy, and whether the
// second is. twin is the twin's number.
func reduced(twin int) []string {
	var list []string
	for with := range 4 {
		for _, second := range []byte{'a', 'b'} {
			cut, given := make([]byte, 5), 0
			for i := range 4 {
				switch {
				case i == twin:
					cut[i] = 'a'
				case given < with:
					cut[i] = 'a'
					given++
				default:
					cut[i] = 'b'
				}
			}
			cut[4] = second
			list = append(list, string(cut))
		}
	}
	return list
}

// complete makes an enumerated set of n=4: every sequence of cuts, for each member as the twin.
func complete(name, text string, views int, cuts func(twin int) []string) Set {
	base := uint64(len(cuts(0)))
	each := uint64(1)
	for range views {
		each *= base
	}
	return Set{Name: name, Text: text, Size: 4 * each, at: func(_, k uint64) *Scenario {
		twin := int(k / each % 4)
		s := &Scenario{Members: 4, Twins: []int{twin}, Phases: 1, Cuts: make([]string, views)}
		list := cuts(twin)
		for v := views - 1; v >= 0; v-- {
			s.Cuts[v] = list[k%base]
			k /= base
		}
		return s
	}}
}

// drawn makes a set whose scenarios follow from the seed and their numbers.
func drawn(
	name, text string, members, twins, views, phases, parts int,
) Set {
	cuts := partitions(members+twins, parts)
	return Set{Name: name, Text: text, at: func(seed, k uint64) *Scenario {
		rng := rand.New(rand.NewPCG(seed, k)) //nolint:gosec // a seed, to repeat it
		s := &Scenario{Members: members, Phases: phases, Cuts: make([]string, views*phases)}
		s.Twins = rng.Perm(members)[:twins]
		for i := range s.Cuts {
			s.Cuts[i] = cuts[rng.IntN(len(cuts))]
		}
		return s
	}}
}

// Sets lists the sets of VERIFY §6, and the control: two twins of four members, which is more than
// f traitors, and must be found unsafe.
func Sets() []Set {
	two, three := partitions(5, 2), partitions(5, 3)
	return []Set{
		complete("T-A", "n=4, one twin, at most 2 parts, 5 views, complete", 5,
			func(int) []string { return two }),
		complete("T-B", "n=4, one twin, at most 3 parts, 4 views, complete", 4,
			func(int) []string { return three }),
		complete("T-C",
			"n=4, one twin, at most 2 parts, correct replicas taken to be alike, 7 views",
			7, reduced),
		drawn("T-D", "n=4, one twin, at most 3 parts, another cut in each phase, 3 views, random",
			4, 1, 3, phases, 3),
		drawn("T-E", "n=7, two twins, at most 3 parts, 4 views, random", 7, 2, 4, 1, 3),
		drawn("control", "n=4, two twins: must be found unsafe", 4, 2, 3, 1, 2),
	}
}

// Mixed is the set that draws from all others but the control.
func Mixed() Set {
	sets := Sets()
	return Set{
		Name: "mixed", Text: "of 16: T-A 4, T-B 4, T-C 2, T-D 5, T-E 1, random",
		at: func(seed, k uint64) *Scenario {
			rng := rand.New(rand.NewPCG(seed, k)) //nolint:gosec // a seed, to repeat it
			s := sets[[16]int{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3, 4}[k%16]]
			if s.Size > 0 {
				return s.At(seed, rng.Uint64N(s.Size))
			}
			return s.At(seed, k)
		},
	}
}

// FindSet returns the set of a name; mixed if it is empty.
func FindSet(name string) (Set, error) {
	mixed := Mixed()
	if name == "" || name == mixed.Name {
		return mixed, nil
	}
	for _, s := range Sets() {
		if s.Name == name {
			return s, nil
		}
	}
	return Set{}, fmt.Errorf("there is no set %q; there are T-A to T-E, mixed and control", name)
}
