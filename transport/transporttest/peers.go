package transporttest

import (
	"testing"

	"byzd/transport"
)

// testSetPeers changes who the members are: whoever stays keeps its connection, whoever is new gets
// one, and whoever left loses it and is a stranger (PROTOCOL §4.10).
func testSetPeers(t *testing.T, w World) {
	members := keys(4)
	a := start(t, w, config(members[0], members[:3]))
	b := start(t, w, config(members[1], members[:3]))
	c := start(t, w, config(members[2], members[:3]))
	d := start(t, w, config(members[3], members))
	for _, n := range []*node{a, b, c} {
		for _, other := range []*node{a, b, c} {
			n.Heard(other.id, []string{w.Route(n.id, other.id)})
		}
	}
	until(t, "three are connected", func() bool {
		return a.isUp(b) && a.isUp(c) && b.isUp(a) && b.isUp(c) && c.isUp(a) && c.isUp(b)
	})
	next := peersOf(members)
	next = []transport.Peer{next[3], next[1], next[0]} // c leaves, d comes
	for _, n := range []*node{a, b, d} {
		n.SetPeers(next)
	}
	for _, n := range []*node{a, b} {
		n.Heard(d.id, []string{w.Route(n.id, d.id)})
		d.Heard(n.id, []string{w.Route(d.id, n.id)})
	}
	until(t, "the new one is connected", func() bool {
		return a.isUp(d) && b.isUp(d) && d.isUp(a) && d.isUp(b)
	})
	until(t, "the one that left is not", func() bool { return !a.isUp(c) && !b.isUp(c) })
	if _, downs := a.counts(b.id); downs > 0 {
		t.Error("those who stay lost their connection")
	}
	until(t, "it is refused", func() bool { return a.Counters()["gater_stranger"] > 0 })
	if got := a.Peers(); len(got) != 2 || got[0].ID != d.id {
		t.Errorf("the peers are %+v", got)
	}
	a.SetPeers(peersOf(members))
	b.SetPeers(peersOf(members))
	until(t, "it is let in again", func() bool { return a.isUp(c) && b.isUp(c) })
}
