package nemesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// networkFaults cut links, by the testnet's conditions: what the other side sends is kept back by
// the node that sends it. Clients reach all nodes.
func networkFaults() []*Fault {
	cut := func(name, text string, hits target, halts bool, links func(*strike) [][2]int) *Fault {
		return &Fault{
			Name: name, Text: text, hits: hits, Halts: halts, undo: heal,
			do: func(ctx context.Context, s *strike) error { return s.cut(ctx, links(s)) },
		}
	}
	flapping := cut("flapping", "a node is cut off and let back five times a second", one, false,
		isolated)
	flapping.hold = flap
	return []*Fault{
		cut("isolate-one", "a node is cut off from all others", one, false, isolated),
		cut("isolate-primary", "the primary is cut off from all others", primary, false, isolated),
		cut("halves", "two halves, of which none is a quorum", nobody, true, halves),
		cut("ring", "every node reaches only its two neighbours", nobody, true, ring),
		cut("bridge", "two halves that only one node reaches both", nobody, true, bridge),
		cut("one-way", "what one node sends does not reach one other", nobody, false, oneWay),
		flapping,
	}
}

// both cuts links in both directions.
func both(pairs ...[2]int) [][2]int {
	var links [][2]int
	for _, p := range pairs {
		links = append(links, p, [2]int{p[1], p[0]})
	}
	return links
}

func isolated(s *strike) [][2]int {
	var pairs [][2]int
	for i := range s.world.sizes[0] {
		if i != s.nodes[0] {
			pairs = append(pairs, [2]int{s.nodes[0], i})
		}
	}
	return both(pairs...)
}

// between pairs every node of one group with every one of another.
func between(a, b []int) [][2]int {
	var pairs [][2]int
	for _, i := range a {
		for _, j := range b {
			pairs = append(pairs, [2]int{i, j})
		}
	}
	return pairs
}

func halves(s *strike) [][2]int {
	order := s.random.Perm(s.world.sizes[0])
	return both(between(order[:len(order)/2], order[len(order)/2:])...)
}

func bridge(s *strike) [][2]int {
	order := s.random.Perm(s.world.sizes[0])[1:] // the first one is the bridge
	return both(between(order[:len(order)/2], order[len(order)/2:])...)
}

func ring(s *strike) [][2]int {
	order := s.random.Perm(s.world.sizes[0])
	n := len(order)
	var pairs [][2]int
	for a := range n {
		for b := a + 2; b < n; b++ {
			if a != 0 || b != n-1 { // neighbours, too
				pairs = append(pairs, [2]int{order[a], order[b]})
			}
		}
	}
	return both(pairs...)
}

func oneWay(s *strike) [][2]int {
	order := s.random.Perm(s.world.sizes[0])
	return [][2]int{{order[0], order[1]}}
}

// cut cuts links and says so. That the running nodes were told is what the order's success means;
// that it keeps something back shows later.
func (s *strike) cut(ctx context.Context, links [][2]int) error {
	s.before = s.world.keptBack(ctx)
	words := make([]string, len(links))
	for i, l := range links {
		words[i] = strconv.Itoa(l[0]) + ">" + strconv.Itoa(l[1])
	}
	slices.Sort(words)
	if err := s.world.net.Partition(ctx, "", words...); err != nil {
		return err
	}
	s.event.What = "cut " + strings.Join(words, " ")
	return nil
}

// heal undoes the cuts, and looks first whether they did anything.
func heal(ctx context.Context, s *strike) error {
	if s.event.Done || s.event.Failed != "" {
		return s.world.net.Heal(ctx)
	}
	kept := uint64(0)
	err := s.world.until(ctx, func(ctx context.Context) string {
		if now := s.world.keptBack(ctx); now > s.before {
			kept = now - s.before
			return ""
		}
		return "no frame and no dial was kept back"
	})
	healed := s.world.net.Heal(context.WithoutCancel(ctx))
	if err == nil {
		s.event.done("all running nodes acknowledged; %d frames and dials were kept back", kept)
	}
	return errors.Join(err, healed)
}

// flapTime is how long a flapping link stays as it is.
const flapTime = 100 * time.Millisecond

// flap lets a cut come and go.
func flap(ctx context.Context, s *strike, d time.Duration) error {
	links := isolated(s)
	before, turns := s.before, 0
	for end := time.Now().Add(d); time.Now().Before(end); turns++ {
		if err := pause(ctx, flapTime); err != nil {
			return err
		}
		if err := s.world.net.Heal(ctx); err != nil {
			return err
		}
		if err := pause(ctx, flapTime); err != nil {
			return err
		}
		if err := s.cut(ctx, links); err != nil {
			return err
		}
	}
	kept := s.world.keptBack(ctx) - before
	if turns < 2 || kept == 0 {
		return fmt.Errorf("it came and went %d times, and %d frames were kept back", turns, kept)
	}
	s.event.done("it came and went %d times; %d frames and dials were kept back", turns, kept)
	return nil
}
