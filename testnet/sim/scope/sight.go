package scope

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// cell is one state of a search by sight: what can be seen of each correct replica, and in which
// local states each may be.
type cell struct {
	seen   global // facts
	sets   [maxCorrect]uint32
	depth  uint32
	queued bool
}

// level is the cells of which equally much can be seen.
type level struct {
	cells map[global]*cell
	todo  []*cell
}

// move is a way to leave a set of local states of one replica: to what it shows then, and in which
// states it may be.
type move struct {
	facts, set uint32
}

// question asks where a local state, or a set of them, leads, given messages.
type question struct {
	at, has uint32
}

// sight searches by what can be seen. DESIGN.md says why nothing is lost.
type sight struct {
	*explorer
	pool    *pool
	moves   map[question][]move
	levels  map[int]*level
	waiting int // cells to do
	states  int
	reached int // the level that is searched
	done    int // up to where all were visited
	deepest uint32
}

// batch is how many cells are taken at once: between two batches the limits are looked at.
const batch = 4096

func (x *explorer) bySight(ctx context.Context, first global) {
	s := &sight{
		explorer: x, pool: newPool(), moves: map[question][]move{}, levels: map[int]*level{},
	}
	x.sight = s
	x.over = func() bool { return x.ended(ctx) }
	start := cell{}
	for k := range x.nodes {
		start.seen[k] = x.locals[first[k]].facts
		start.sets[k] = s.pool.of([]uint32{first[k]})
	}
	s.arrive(&start)
	for x.report.Bound == "" && x.report.Violation == "" {
		if len(s.levels) == 0 {
			x.report.Exhausted = true
			return
		}
		at := slices.Min(slices.Collect(maps.Keys(s.levels)))
		if x.lim.Levels > 0 && at > x.lim.Levels {
			s.done = x.lim.Levels
			x.report.Bound = fmt.Sprintf("level %d", x.lim.Levels)
			return
		}
		s.reached = at
		s.search(s.levels[at])
		if x.report.Bound == "" && x.report.Violation == "" {
			s.done = at
		}
		delete(s.levels, at)
	}
}

// search goes through a level until nothing is added to its cells. What they lead to is in this
// level or in a higher one, so that it is never needed again.
func (s *sight) search(l *level) {
	for len(l.todo) > 0 {
		if s.over() {
			return
		}
		part := l.todo[:min(batch, len(l.todo))]
		l.todo = l.todo[len(part):]
		s.waiting -= len(part)
		s.answer(part)
		if s.report.Bound != "" {
			return
		}
		for _, c := range part {
			c.queued = false
			s.follow(c)
			if s.report.Violation != "" {
				return
			}
		}
		s.report.Expanded += len(part)
	}
}

// asks says which messages each replica may be given in a cell.
func (s *sight) asks(c *cell) (has [maxCorrect]uint32) {
	var sent set
	for k := range s.nodes {
		sent = sent.union(s.facts[c.seen[k]].sent)
	}
	all := s.w.available(sent)
	for k := range s.nodes {
		node := s.locals[s.pool.sets[c.sets[k]][0]].node
		has[k] = s.number(all.intersect(s.w.reach[node]))
	}
	return has
}

// answer finds out, with all processors, where the local states of these cells lead.
func (s *sight) answer(part []*cell) {
	asked := map[question]bool{}
	var list []question
	for _, c := range part {
		has := s.asks(c)
		for k := range s.nodes {
			if _, known := s.moves[question{c.sets[k], has[k]}]; known {
				continue
			}
			for _, at := range s.pool.sets[c.sets[k]] {
				q := question{at, has[k]}
				if _, known := s.exits[q]; !known && !asked[q] {
					asked[q] = true
					list = append(list, q)
				}
			}
		}
	}
	s.mu.Unlock()
	var workers sync.WaitGroup
	for range min(s.lim.workers(), len(list)) {
		workers.Go(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			for len(list) > 0 && s.report.Bound == "" {
				q := list[0]
				list = list[1:]
				s.ways(q.at, q.has)
			}
		})
	}
	workers.Wait()
	s.mu.Lock()
}

// follow takes every way out of a cell.
func (s *sight) follow(c *cell) {
	has := s.asks(c)
	for k := range s.nodes {
		for _, m := range s.leaves(c.sets[k], has[k]) {
			next := *c
			next.seen[k], next.sets[k] = m.facts, m.set
			next.depth++
			s.report.Transitions++
			s.arrive(&next)
			if s.report.Violation != "" {
				return
			}
		}
	}
}

// leaves says where a set of local states of one replica leads.
func (s *sight) leaves(from, has uint32) []move {
	q := question{from, has}
	if list, known := s.moves[q]; known {
		return list
	}
	byFacts := map[uint32][]uint32{}
	for _, at := range s.pool.sets[from] {
		for _, to := range s.ways(at, has) {
			f := s.locals[to].facts
			byFacts[f] = append(byFacts[f], to)
		}
	}
	var list []move
	for _, f := range slices.Sorted(maps.Keys(byFacts)) {
		list = append(list, move{f, s.pool.of(byFacts[f])})
	}
	s.moves[q] = list
	return list
}

// arrive adds to a cell, and judges it if it is new.
func (s *sight) arrive(c *cell) {
	height := 0
	for k := range s.nodes {
		height += s.facts[c.seen[k]].height
	}
	if height < s.reached {
		panic(fmt.Sprintf("scope: from level %d to %d: something can be unseen", s.reached, height))
	}
	l := s.levels[height]
	if l == nil {
		l = &level{cells: map[global]*cell{}}
		s.levels[height] = l
	}
	at, known := l.cells[c.seen]
	if !known {
		at = &cell{seen: c.seen, depth: c.depth}
		l.cells[c.seen] = at
		s.states++
		s.deepest = max(s.deepest, c.depth)
		s.judge(at)
	}
	grown := !known
	for k := range s.nodes {
		if sum := s.pool.union(at.sets[k], c.sets[k]); sum != at.sets[k] {
			at.sets[k], grown = sum, true
		}
	}
	if grown && !at.queued {
		at.queued = true
		l.todo = append(l.todo, at)
		s.waiting++
	}
}

// judge looks for a broken promise in what can be seen, and then for one run that leads there.
func (s *sight) judge(c *cell) {
	all := make([]*facts, s.nodes)
	for k := range all {
		all[k] = s.facts[c.seen[k]]
	}
	if s.witness != nil {
		s.witness(all)
	}
	if bad := s.w.violation(all); bad != "" {
		s.report.Violation = bad
		s.report.Trace = s.confirm(all)
	}
}

// confirmStates bounds the search for one run that leads to what was found.
const confirmStates = 20_000_000

// confirm searches, state by state, for a run that leads to a broken promise: among the states in
// which no more can be seen than in the one that was found.
func (s *sight) confirm(bad []*facts) []string {
	x := &explorer{
		space: s.space, start: s.start, nodes: s.nodes, met: map[global]uint32{},
		exits: s.exits, numbers: s.numbers, given: s.given, judged: map[global]bool{},
		lim: Limits{States: confirmStates, Time: s.lim.Time},
	}
	x.below = func(seen global) bool {
		for k := range bad {
			if !s.facts[seen[k]].within(bad[k]) {
				return false
			}
		}
		return true
	}
	x.meet(s.first, 0, 0)
	x.run(context.Background())
	if x.report.Violation == "" {
		return []string{"no single run was found that leads there: what was found may be an " +
			"artefact of searching by sight"}
	}
	return x.report.Trace
}

// within reports whether everything that can be seen here can be seen there.
func (f *facts) within(other *facts) bool {
	return f.sent.minus(other.sent) == set{} && len(f.executed) <= len(other.executed) &&
		slices.Equal(f.executed, other.executed[:len(f.executed)]) &&
		len(f.entered) <= len(other.entered) &&
		slices.Equal(f.entered, other.entered[:len(f.entered)]) &&
		(f.bad == "" || f.bad == other.bad)
}

// tall is how much can be seen: it never falls, not even in a crash.
func (f *facts) tall() int { return f.sent.count() + len(f.executed) + len(f.entered) }
