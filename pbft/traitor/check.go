package traitor

import (
	"fmt"
	"slices"
)

// Check refuses specs that contradict each other: one would leave the other nothing to lie about,
// or both would put their own words in the same place. The error is a [SpecError].
func Check(specs []Spec) error {
	for i := range specs {
		for k := range i {
			if problem := contradiction(&specs[k], &specs[i]); problem != "" {
				return &SpecError{
					Spec: specs[k].String() + "\" and \"" + specs[i].String(), Problem: problem,
					Advice: "give them windows that do not overlap (from-seq, to-seq, from-view, " +
						"to-view), or leave one out",
				}
			}
		}
	}
	return nil
}

func contradiction(a, b *Spec) string {
	if a.disjoint(b) || b.disjoint(a) {
		return ""
	}
	first, _ := behaviour(a.Behaviour)
	second, _ := behaviour(b.Behaviour)
	if first == nil || second == nil {
		return "" // the zero Spec; New refuses it
	}
	switch {
	case a.Behaviour == b.Behaviour:
		return "the same behaviour twice at the same time"
	case first.rewrite != "" && first.rewrite == second.rewrite:
		return "both change its " + first.rewrite
	case a.total() && second.speaks():
		return fmt.Sprintf("who is %s tells no other lie to nodes", a.Behaviour)
	case b.total() && first.speaks():
		return fmt.Sprintf("who is %s tells no other lie to nodes", b.Behaviour)
	}
	return ""
}

// speaks reports whether the behaviour lies to other nodes of the protocol.
func (b *Behaviour) speaks() bool { return b.Group != Clients && b.Group != Gossip }

// total reports whether the spec leaves nothing of what its node says.
func (s *Spec) total() bool {
	return s.Behaviour == "mute" && len(s.Kinds) == 0 && s.P == 0 && !s.Once &&
		(s.To.Choice == Default || s.To.Choice == All)
}

// disjoint reports whether s ends before t begins.
func (s *Spec) disjoint(t *Spec) bool {
	return s.ToSeq > 0 && t.FromSeq > s.ToSeq || s.EndsInView && t.FromView > s.ToView
}

// fits refuses node numbers that the cluster or the traitor itself rule out.
func (s *Spec) fits(self, members int) error {
	for _, list := range []struct {
		key   string
		nodes []int
		own   bool // its own number is legal
	}{
		{keyTo, s.To.Nodes, s.To.Choice == Except},
		{keyVictims, s.Victims.Nodes, s.Victims.Choice == Except},
		{keyWith, s.With, true},
	} {
		for _, n := range list.nodes {
			if n >= members {
				return &SpecError{
					Spec: s.String(), Part: list.key,
					Problem: fmt.Sprintf("there is no node %d", n),
					Advice:  fmt.Sprintf("the nodes are 0 to %d", members-1),
				}
			}
			if n == self && !list.own {
				return &SpecError{
					Spec: s.String(), Part: list.key,
					Problem: fmt.Sprintf("node %d is the traitor itself", n),
					Advice:  "name the others",
				}
			}
		}
	}
	return nil
}

// accomplices returns the coalition of a spec: sorted, the traitor itself included.
func (s *Spec) accomplices(self int, coalition []int) []int {
	list := []int{self}
	switch {
	case s.Alone:
	case s.With != nil:
		list = append(list, s.With...)
	default:
		list = append(list, coalition...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
