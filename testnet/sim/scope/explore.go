package scope

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// maxCorrect bounds the correct replicas of a scope.
const maxCorrect = 4

// global is a state of the whole: the local states of the correct replicas.
type global [maxCorrect]uint32

// visit is a global state that was met, and from where.
type visit struct {
	at     global
	parent uint32
	depth  uint32
}

// Report says what a search did.
type Report struct {
	Scope       string
	Sight       bool   // states are what can be seen of all replicas, with all that they may be
	States      int    // global states that were met
	Expanded    int    // those of them whose ways out were taken
	Transitions int    // ways from one of them to another that were taken
	Locals      int    // states of single replicas
	Steps       int    // inputs that were given to real replicas
	Messages    int    // different messages
	Depth       int    // the longest shortest way to a state; by sight, the longest that was taken
	Level       int    // by sight, up to which level (see Limits) every state was visited
	Frontier    int    // states whose ways out are still to be taken
	Exhausted   bool   // everything was visited
	Bound       string // what ended the search otherwise
	Elapsed     time.Duration
	Violation   string   // the promise that was broken; empty if none was
	Trace       []string // how
}

// Limits end a search that would take too long. Zero is no limit.
type Limits struct {
	States int
	Time   time.Duration
	// Workers is how many goroutines let replicas work; 0 is one for each processor. Only searches
	// by sight use more than one.
	Workers int
	// Levels ends a search by sight once it has visited every state in which the correct replicas
	// have sent so many messages, executed so many batches and entered so many views, together.
	Levels int
	// Locals ends a search by sight, before memory does, at so many states of single replicas,
	// which take about 15 kB each.
	Locals int
	// Progress, if not nil, is told now and then how far the search is.
	Progress func(Report)
}

func (l *Limits) workers() int {
	if l.Workers > 0 {
		return l.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// explorer searches one scope.
type explorer struct {
	*space
	lim     Limits
	start   time.Time
	nodes   int
	first   global
	visits  []visit
	met     map[global]uint32
	numbers map[set]uint32 // of messages that a replica may be given
	given   []set          // by number
	exits   map[question][]uint32
	judged  map[global]bool // by facts
	report  Report
	over    func() bool       // a limit is reached; it notes which
	look    int               // at how many steps to ask next
	below   func(global) bool // if not nil, which states to visit, by what can be seen
	witness func([]*facts)    // if not nil, is told what can be seen of each state by sight
	sight   *sight            // if the search is by sight
}

// Explore visits every state of a scope, breadth first, until a promise is broken, everything was
// visited, or a limit is reached.
func Explore(ctx context.Context, sc *Scope, lim Limits) Report {
	return explore(ctx, sc, lim).summary()
}

func explore(ctx context.Context, sc *Scope, lim Limits) *explorer {
	x := prepare(sc, lim)
	x.search(ctx)
	return x
}

func prepare(sc *Scope, lim Limits) *explorer {
	x := &explorer{
		space: newSpace(newWorld(sc)), lim: lim, start: time.Now(), met: map[global]uint32{},
		numbers: map[set]uint32{}, exits: map[question][]uint32{}, judged: map[global]bool{},
	}
	x.report.Scope, x.report.Sight = sc.Name, sc.Sight
	ids := x.initial()
	x.nodes = len(ids)
	copy(x.first[:], ids)
	return x
}

func (x *explorer) search(ctx context.Context) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.w.scope.Sight {
		x.bySight(ctx, x.first)
		return
	}
	x.meet(x.first, 0, 0)
	x.run(ctx)
}

func (x *explorer) summary() Report {
	r := &x.report
	r.States, r.Locals, r.Steps = len(x.visits), len(x.locals)-1, x.steps
	r.Messages = len(x.w.said) - firstMessage
	r.Elapsed = time.Since(x.start)
	if n := len(x.visits); n > 0 {
		r.Depth = int(x.visits[n-1].depth)
	}
	r.Frontier = r.States - r.Expanded
	if s := x.sight; s != nil {
		r.States, r.Depth, r.Frontier = s.states, int(s.deepest), s.waiting
		r.Level = s.done
	}
	return *r
}

// checkEvery is how many states are expanded between two looks at the limits.
const checkEvery = 4096

func (x *explorer) run(ctx context.Context) {
	x.over = func() bool { return x.ended(ctx) }
	for k := uint32(0); int(k) < len(x.visits); k++ { // expanding one adds to them
		if k%checkEvery == 0 && x.ended(ctx) {
			return
		}
		x.expand(k)
		if x.report.Bound != "" {
			return
		}
		x.report.Expanded++
		if x.report.Violation != "" {
			return
		}
	}
	x.report.Exhausted = true
}

// ended reports whether a limit is reached.
func (x *explorer) ended(ctx context.Context) bool {
	switch {
	case ctx.Err() != nil:
		x.report.Bound = "interrupted"
	case x.lim.States > 0 && max(len(x.visits), x.seen()) >= x.lim.States:
		x.report.Bound = fmt.Sprintf("the limit of %d states", x.lim.States)
	case x.lim.Locals > 0 && x.sight != nil && len(x.locals) > x.lim.Locals:
		x.report.Bound = fmt.Sprintf("the limit of %d states of single replicas", x.lim.Locals)
	case x.lim.Time > 0 && time.Since(x.start) >= x.lim.Time:
		x.report.Bound = fmt.Sprintf("the limit of %v", x.lim.Time)
	default:
		if x.lim.Progress != nil {
			x.lim.Progress(x.summary())
		}
		return false
	}
	return true
}

// seen is how many states were met by sight.
func (x *explorer) seen() int {
	if x.sight == nil {
		return 0
	}
	return x.sight.states
}

// meet notes a global state, and judges it if it is new.
func (x *explorer) meet(g global, parent, depth uint32) {
	if _, known := x.met[g]; known {
		return
	}
	var seen global
	for k := range x.nodes {
		seen[k] = x.locals[g[k]].facts
	}
	if x.below != nil && !x.below(seen) {
		return
	}
	id := uint32(len(x.visits)) //nolint:gosec // memory ends first
	x.met[g] = id
	x.visits = append(x.visits, visit{g, parent, depth})
	if x.judged[seen] {
		return
	}
	x.judged[seen] = true
	all := make([]*facts, x.nodes)
	for k := range all {
		all[k] = x.facts[seen[k]]
	}
	if bad := x.w.violation(all); bad != "" && x.report.Violation == "" {
		x.report.Violation = bad
		x.report.Trace = x.trace(id)
	}
}

// expand takes every way out of a global state.
func (x *explorer) expand(id uint32) {
	v := x.visits[id]
	all := x.visible(v.at)
	for k := range x.nodes {
		has := x.number(all.intersect(x.w.reach[x.locals[v.at[k]].node]))
		for _, to := range x.ways(v.at[k], has) {
			next := v.at
			next[k] = to
			x.report.Transitions++
			x.meet(next, id, v.depth+1)
			if x.report.Violation != "" {
				return
			}
		}
	}
}

// visible returns what can be delivered in a global state.
func (x *explorer) visible(g global) set {
	var sent set
	for k := range x.nodes {
		sent = sent.union(x.facts[x.locals[g[k]].facts].sent)
	}
	return x.w.available(sent)
}

// number numbers the messages that a replica may be given.
func (x *explorer) number(has set) uint32 {
	id, known := x.numbers[has]
	if !known {
		id = uint32(len(x.numbers)) //nolint:gosec // memory ends first
		x.numbers[has] = id
		x.given = append(x.given, has)
	}
	return id
}

// ways returns where a replica can go from a local state, given messages.
func (x *explorer) ways(at, number uint32) []uint32 {
	q := question{at, number}
	if list, known := x.exits[q]; known {
		return list
	}
	var list []uint32
	has := x.given[number]
	if x.w.scope.Plain {
		for event := range x.events(at, has) {
			if to := x.after(at, event); to != at && !slices.Contains(list, to) {
				list = append(list, to)
			}
		}
	} else {
		list = x.leave(at, has)
	}
	if x.report.Bound == "" {
		x.exits[q] = list
	}
	return list
}

// events goes through what can happen to a replica.
func (x *explorer) events(at uint32, has set) func(func(int) bool) {
	return func(yield func(int) bool) {
		for event := range firstMessage {
			if x.possible(at, event) && !yield(event) {
				return
			}
		}
		for event := range has.all() {
			if !yield(event) {
				return
			}
		}
	}
}

// trace tells the way to a state in words, event by event.
func (x *explorer) trace(id uint32) []string {
	var way []uint32
	for at := id; at != 0; at = x.visits[at].parent {
		way = append(way, at)
	}
	slices.Reverse(way)
	var text []string
	for _, at := range way {
		from, to := x.visits[x.visits[at].parent].at, x.visits[at].at
		for k := range x.nodes {
			if from[k] != to[k] {
				text = append(text, x.tell(from[k], to[k], x.visible(from))...)
			}
		}
	}
	return text
}

// tell finds the shortest way from one local state to another and puts it into words.
func (x *explorer) tell(from, to uint32, all set) []string {
	l := x.locals[from]
	has := all.intersect(x.w.reach[l.node])
	type came struct {
		from  uint32
		event int
	}
	origin := map[uint32]came{from: {}}
	for queue := []uint32{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at == to {
			break
		}
		for event := range x.events(at, has) {
			next := x.after(at, event)
			if _, known := origin[next]; !known {
				origin[next] = came{at, event}
				queue = append(queue, next)
			}
		}
	}
	var lines []string
	for at := to; at != from; at = origin[at].from {
		lines = append(lines, x.line(origin[at].from, at, origin[at].event))
	}
	slices.Reverse(lines)
	return lines
}

// line is one event of one replica in words.
func (x *explorer) line(from, to uint32, event int) string {
	l := x.locals[from]
	var what string
	switch event {
	case eventReturn:
		what = "counts its own " + x.w.said[l.back[0]].key
	case eventTurn:
		what = "ends its turn"
	case eventTimer:
		what = "waits until its timers fire"
	case eventInstall:
		what = fmt.Sprintf("installs the state after %d", l.wants.Seq)
	case eventSync:
		what = "syncs"
	case eventCrash:
		what = "crashes, loses what was not durable, and starts again"
	case eventCrashKept:
		what = "crashes after a sync, and starts again"
	default:
		what = "receives " + x.w.said[event].key
	}
	before, after := x.facts[l.facts], x.facts[x.locals[to].facts]
	var said []string
	for id := range after.sent.minus(before.sent).all() {
		said = append(said, x.w.said[id].key)
	}
	for _, ref := range after.executed[len(before.executed):] {
		said = append(said, fmt.Sprintf("EXECUTES %d %s", ref.Seq, ref.Digest.Short()))
	}
	text := fmt.Sprintf("%d %s", l.node, what)
	if len(said) > 0 {
		text += " => " + strings.Join(said, "; ")
	}
	return text
}
