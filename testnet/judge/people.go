package judge

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft/message"
)

// person is a node, whichever epochs it is a member of and whatever number it has in each. It goes
// by its own number: of the first epoch's members that is their place in the genesis, of a
// testnet's nodes that in testnet.json, and the others follow in the order in which epochs bring
// them.
type person struct {
	id       crypto.NodeID // zero as long as no configuration names it
	name     string
	numbered bool // people know its number
}

// Introduce says what the node of a number is called, so that the member of that name is it. A
// testnet's nodes are introduced before anything is judged.
func (h *History) Introduce(number int, name string) {
	for len(h.people) <= number {
		h.people = append(h.people, person{})
	}
	p := &h.people[number]
	p.numbered = true
	if p.name == "" {
		p.name = name
	}
}

// meet returns the number of a member.
func (h *History) meet(m *message.Member) int {
	for i := range h.people {
		if h.people[i].id == m.Node {
			return i
		}
	}
	for i := range h.people {
		if p := &h.people[i]; p.id == (crypto.NodeID{}) && p.name == m.Name {
			p.id = m.Node
			return i
		}
	}
	name := m.Name
	for i := range h.people {
		if h.people[i].name == name { // a name that another node had before
			name = fmt.Sprintf("%s (%s)", m.Name, m.Node.Short())
			break
		}
	}
	h.people = append(h.people, person{m.Node, name, len(h.people) < len(h.Config.Members)})
	return len(h.people) - 1
}

// called returns the number of the node of a name, or -1.
func (h *History) called(name string) int {
	for i := range h.people {
		if name != "" && h.people[i].name == name {
			return i
		}
	}
	return -1
}

// nameOf is a node's name in the result: its number in a testnet, as far as it is known there.
func (h *History) nameOf(node int) Name {
	if node < 0 || node >= len(h.people) {
		return Name{Number: node}
	}
	if p := &h.people[node]; p.name != "" && (!h.Numbered || !p.numbered) {
		return Name{Text: p.name}
	}
	return Name{Number: node}
}

// name calls a node by what people know it by.
func (h *History) name(node int) string {
	if node < 0 || node >= len(h.people) {
		return "the node"
	}
	if name := h.nameOf(node); name.Text != "" {
		return name.Text
	}
	return fmt.Sprintf("node %d", node)
}

// who calls the node of a log by its name, or by where its journal is.
func (h *History) who(l *Log) string {
	if l.Node < 0 && l.Label != "" {
		return l.Label
	}
	return h.name(l.Node)
}
