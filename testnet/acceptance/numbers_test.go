package acceptance_test

import (
	"fmt"
	"testing"
)

// The numbers of a testnet's nodes are those of their homes. When a member in the middle has left,
// those behind it have other numbers in agreement, and still links are cut, and lies are told, at
// the nodes that were named: by whoever was told while it ran, and by whoever is started with it.
func TestNumbersAreThoseOfTheHomes(t *testing.T) {
	n := up(t, "--nodes", "5")
	n.testnet("remove", "1") // now node 2 is member 1, node 3 member 2, node 4 member 3
	n.read()
	l := n.write("k", 2, 3)
	l.resumes("the load runs")

	n.testnet("partition", "node-3/0,2,4")
	n.until("node 3 and nobody else is alone", func() bool {
		return n.reaches(0, 2, 4) && n.reaches(2, 0, 4) && n.reaches(4, 0, 2) && n.reaches(3)
	})
	n.testnet("restart", "3")
	n.read()
	l.resumes("the others go on")
	n.until("node 3 is alone from its start as well", func() bool {
		return n.reaches(0, 2, 4) && n.reaches(3)
	})
	n.testnet("heal")
	n.until("all reach each other", func() bool { return n.reaches(3, 0, 2, 4) })

	n.testnet("traitor", "0=mute:to=4")
	n.until("node 4 and nobody else is told nothing", func() bool { return n.deaf(4, 0) && !n.deaf(3, 0) })
	n.testnet("traitor", "0", "none")
	l.end(2)
	if v := n.held(); v.Fired["0=mute"] == 0 || v.Epoch != 1 {
		t.Errorf("epoch %d, lies %v", v.Epoch, v.Fired)
	}
}

// reaches reports whether a node is connected to some others, and to no more.
func (n *network) reaches(node int, others ...int) bool {
	st, err := n.status(node)
	if err != nil {
		return false
	}
	for i := range n.state.Nodes {
		wanted := false
		for _, o := range others {
			wanted = wanted || o == i
		}
		if i != node && st.connected(i) != wanted {
			return false
		}
	}
	return true
}

// deaf reports whether the last vote that a node has of another is far behind what it executed.
func (n *network) deaf(node, other int) bool {
	st, err := n.status(node)
	if err != nil {
		return false
	}
	for _, p := range st.Peers {
		if p.Name == fmt.Sprintf("node-%d", other) {
			return p.LastVote.Sequence+10 < st.Sequence
		}
	}
	return false
}
