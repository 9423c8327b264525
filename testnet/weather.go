package testnet

import (
	"context"
	"fmt"
	"slices"

	"byzd/daemon/conditions"
)

// Weather is what one direction of a link is like: the part of what is sent that gets lost, the
// part of the frames that arrives twice, and how long all of it takes. With a jitter each thing
// takes up to so much more or less, so that one overtakes another.
type Weather struct {
	To        int     `json:"to"`
	Loss      float64 `json:"loss,omitempty"`
	Duplicate float64 `json:"duplicate,omitempty"`
	DelayMS   int64   `json:"delay_ms,omitempty"`
	JitterMS  int64   `json:"jitter_ms,omitempty"`
}

// Link is one direction of a link.
type Link struct{ From, To int }

// check refuses what a node would refuse.
func (w Weather) check(nodes int) error {
	if w.To < 0 || w.To >= nodes {
		return fmt.Errorf("there is no node %d", w.To)
	}
	most := conditions.DelayMost.Milliseconds()
	if !(w.Loss >= 0 && w.Loss <= 1 && w.Duplicate >= 0 && w.Duplicate <= 1) { // NaN is neither
		return fmt.Errorf("%v of it lost, %v twice: each must be a part, 0 to 1",
			w.Loss, w.Duplicate)
	}
	if w.DelayMS < 0 || w.DelayMS > most || w.JitterMS < 0 || w.JitterMS > w.DelayMS {
		return fmt.Errorf("a delay of %d ± %d ms; it is %d ms at most, and never less than nothing",
			w.DelayMS, w.JitterMS, most)
	}
	return nil
}

// SetWeather makes links bad, all if none is named, and all others good again. Whose To the weather
// says does not matter. Clients reach every node as before. A node that is started again has good
// links until it listens.
func (n *Network) SetWeather(ctx context.Context, w Weather, links ...Link) error {
	st, err := n.State()
	if err != nil {
		return err
	}
	size := len(st.Nodes)
	all := make([][]Weather, size)
	if len(links) == 0 {
		for i := range size * size {
			links = append(links, Link{i / size, i % size})
		}
		links = slices.DeleteFunc(links, func(l Link) bool { return l.From == l.To })
	}
	for _, l := range links {
		w.To = l.To
		if l.From < 0 || l.From >= size || l.From == l.To {
			return usagef("nodes are numbered, the first is 0",
				"there is no link %d>%d", l.From, l.To)
		}
		if err := w.check(size); err != nil {
			return usagef("", "%v", err)
		}
		all[l.From] = append(all[l.From], w)
	}
	return n.order(ctx, pathWeather, order{Weather: all}, orderTime)
}

// ParseLink reads a direction of a link, as in 0>1.
func ParseLink(n int, text string) (Link, error) {
	from, to, err := parseOneWay(n, text)
	return Link{from, to}, err
}

// setWeather replaces the weather of all links.
func (s *supervisor) setWeather(ctx context.Context, all [][]Weather) error {
	if len(all) != s.size() {
		return usagef("", "weather for %d nodes, but the testnet has %d", len(all), s.size())
	}
	for i := range all {
		for _, w := range all[i] {
			if err := w.check(len(all)); err != nil {
				return usagef("", "the weather from node %d: %v", i, err)
			}
		}
	}
	err := s.change(func(st *State) {
		for i := range st.Nodes {
			st.Nodes[i].Weather = slices.Clone(all[i])
		}
	})
	if err != nil {
		return err
	}
	s.log.printf("weather: %+v", all)
	return s.informAll(ctx)
}
