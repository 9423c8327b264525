package sim

// eventKind says what happens.
type eventKind uint8

// The events.
const (
	evTick     eventKind = iota // a node's ticker fires
	evArrive                    // a packet reaches a node
	evWake                      // a node takes what has come in
	evFlushed                   // a node's sync ends
	evSaved                     // a snapshot is written
	evRestart                   // a node's process starts
	evClient                    // a client begins its next operation
	evPatience                  // a client has waited for long enough
	evFault                     // a fault class strikes
	evMend                      // what a fault broke is as before
	evPhase                     // the next phase begins
	evPower                     // a node loses its power, and starts again later
	evAdmin                     // an administrator wants a change of the members
	evStrike                    // the lying disk lies at the moment that it was aimed at
)

// event is one thing that will happen. Events of one time happen in the order of tie, which is
// drawn; order only makes that total.
type event struct {
	at    int64 // µs of virtual time
	tie   uint32
	kind  eventKind
	node  int16
	boot  int32 // of the node when it was planned; an event of an earlier boot is void
	order uint64
	arg   int64
	pack  *packet
}

func (e *event) before(f *event) bool {
	if e.at != f.at {
		return e.at < f.at
	}
	if e.tie != f.tie {
		return e.tie < f.tie
	}
	return e.order < f.order
}

// queue is a binary heap of events.
type queue struct {
	heap  []event
	count uint64
}

func (q *queue) push(e event) {
	q.count++
	e.order = q.count
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !q.heap[i].before(&q.heap[up]) {
			break
		}
		q.heap[i], q.heap[up] = q.heap[up], q.heap[i]
		i = up
	}
}

func (q *queue) pop() event {
	top := q.heap[0]
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap[last].pack = nil
	q.heap = q.heap[:last]
	i := 0
	for {
		low := 2*i + 1
		if low >= last {
			break
		}
		if low+1 < last && q.heap[low+1].before(&q.heap[low]) {
			low++
		}
		if !q.heap[low].before(&q.heap[i]) {
			break
		}
		q.heap[i], q.heap[low] = q.heap[low], q.heap[i]
		i = low
	}
	return top
}
