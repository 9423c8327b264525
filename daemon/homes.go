package daemon

import (
	"fmt"
	"slices"
	"sync/atomic"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/traitor"
)

// homes are the numbers that a testnet gives its nodes: those of their homes, which stay when the
// members change. In links that are cut and in lies, numbers mean these; without them they are the
// members' of the epoch. A node that is no member can be cut off all the same, and nobody lies to
// it.
type homes struct {
	listed atomic.Pointer[[]crypto.NodeID] // by their numbers
	given  atomic.Pointer[[]string]        // the lies as they were given, by those numbers
}

// SetNodes implements [operator.Control]. ids are the nodes by their numbers; none means that
// numbers are the members' of the epoch.
func (t *traitors) SetNodes(ids []string) error {
	list := make([]crypto.NodeID, len(ids))
	for i, text := range ids {
		var err error
		if list[i], err = crypto.ParseNodeID(text); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	t.node.homes.listed.Store(&list)
	return nil
}

// numbered are the nodes that numbers mean.
func (n *node) numbered() []crypto.NodeID {
	if list := n.homes.listed.Load(); list != nil && len(*list) > 0 {
		return *list
	}
	if len(n.opts.Nodes) > 0 {
		return n.opts.Nodes
	}
	members := n.cluster().Members
	list := make([]crypto.NodeID, len(members))
	for i := range members {
		list[i] = members[i].Node
	}
	return list
}

// called returns the nodes of some numbers.
func (n *node) called(numbers []int) ([]crypto.NodeID, error) {
	all := n.numbered()
	list := make([]crypto.NodeID, len(numbers))
	for i, k := range numbers {
		if k < 0 || k >= len(all) {
			return nil, fmt.Errorf("there is no node %d; nodes are 0 to %d", k, len(all)-1)
		}
		list[i] = all[k]
	}
	return list, nil
}

// placed is a lie by the members' numbers of an epoch. Whoever is no member in it is left out.
func placed(all []crypto.NodeID, in *message.Config, s traitor.Spec) traitor.Spec {
	place := func(numbers []int) []int {
		if numbers == nil {
			return nil
		}
		list := []int{}
		for _, k := range numbers {
			i := k // a number that nobody has is refused by it
			if k < len(all) {
				i = in.Member(all[k])
			}
			if i >= 0 {
				list = append(list, i)
			}
		}
		slices.Sort(list)
		return list
	}
	s.To.Nodes, s.Victims.Nodes = place(s.To.Nodes), place(s.Victims.Nodes)
	s.With = place(s.With)
	return s
}

// text is the lie at a place as it was given, or as it is if that is not known.
func (h *homes) text(i int, is string) string {
	if given := h.given.Load(); given != nil && i < len(*given) {
		return (*given)[i]
	}
	return is
}
