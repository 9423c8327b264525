package scope

import "slices"

// hidden reports whether nobody can see the difference between two local states: nothing was sent,
// executed or reached between them.
func (x *explorer) hidden(a, b uint32) bool { return x.locals[a].facts == x.locals[b].facts }

// lookEvery is how many steps of the core are taken between two looks at the limits.
const lookEvery = 2000

// stopped looks at the limits, when it is time to, and reports whether one of them is reached.
func (x *explorer) stopped() bool {
	if x.steps < x.look {
		return false
	}
	x.look = x.steps + lookEvery
	return x.over()
}

// leave returns the states that a replica can be in right after its next visible event, whatever
// hidden ones it takes before. DESIGN.md proves why nothing is lost:
//
//   - A hidden event can be moved behind any event of another replica: it needs only messages, and
//     they stay, and nobody notices it. So hidden events may wait until right before the next
//     visible event of the same replica, and what follows the last visible one need not happen.
//   - If a hidden event and the visible one after it can change places, and end in the same state,
//     then the visible one goes first, and the hidden one waits for the next.
func (x *explorer) leave(at uint32, has set) []uint32 {
	type edge struct {
		from  uint32
		event int
	}
	depth := map[uint32]int{at: 0}
	before := map[uint32][]edge{}
	var list []uint32
	for queue := []uint32{at}; len(queue) > 0; queue = queue[1:] {
		u := queue[0]
		if x.stopped() {
			return nil
		}
		for event := range x.events(u, has) {
			t := x.after(u, event)
			switch {
			case t == u:
			case x.hidden(u, t):
				if _, known := depth[t]; !known {
					depth[t] = depth[u] + 1
					queue = append(queue, t)
				}
				if depth[t] == depth[u]+1 {
					before[t] = append(before[t], edge{u, event})
				}
			case slices.Contains(list, t):
			default:
				if !slices.ContainsFunc(before[u], func(e edge) bool {
					return x.swaps(e.from, e.event, event, t)
				}) {
					list = append(list, t)
				}
			}
		}
	}
	return list
}

// swaps reports whether, from a state, a visible event and then a hidden one lead to t.
func (x *explorer) swaps(from uint32, hidden, visible int, t uint32) bool {
	if !x.possible(from, visible) {
		return false
	}
	mid := x.after(from, visible)
	return mid != from && !x.hidden(from, mid) && x.possible(mid, hidden) &&
		x.after(mid, hidden) == t && x.hidden(mid, t)
}
