package transport

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"byzd/crypto"
)

const (
	// refusalsPerName bounds what is kept of one kind, so that a flood of one kind (strangers can
	// make up identities at will) does not push out the others.
	refusalsPerName = 8

	// newsRate bounds, per second and kind, how many refusals count as new: peers choose numbers
	// that stand in the text, and must not be able to fill the log.
	newsRate  = 1
	newsBurst = 10 // of lines about one peer's comings and goings
)

// Refusal says in words what the transport refused, and how often.
type Refusal struct {
	// Name is the counter that counted it.
	Name string
	// Peer is the identity that the connection proved, a stranger's too.
	Peer crypto.NodeID
	// Text names both sides' values where they differ.
	Text string
	// First and Last are when it happened first and last; Count how often since it is kept.
	First, Last time.Time
	Count       uint64
}

// refusals keeps the last distinct refusals.
type refusals struct {
	mu     sync.Mutex
	byName map[string][]Refusal // oldest Last first
	news   map[string]*rate.Limiter
}

// add notes a refusal and reports whether it is a new one, worth a line in the log.
func (r *refusals) add(name string, peer crypto.NodeID, text string) bool {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byName == nil {
		r.byName = make(map[string][]Refusal)
		r.news = make(map[string]*rate.Limiter)
	}
	if r.news[name] == nil {
		r.news[name] = rate.NewLimiter(newsRate, refusalsPerName)
	}
	kept := r.byName[name]
	entry := Refusal{Name: name, Peer: peer, Text: text, First: now}
	at := slices.IndexFunc(kept, func(k Refusal) bool { return k.Peer == peer && k.Text == text })
	if at < 0 && len(kept) == refusalsPerName {
		kept = slices.Delete(kept, 0, 1)
	}
	if at >= 0 {
		entry = kept[at]
		kept = slices.Delete(kept, at, at+1)
	}
	entry.Last = now
	entry.Count++
	r.byName[name] = append(kept, entry)
	return at < 0 && r.news[name].Allow()
}

// snapshot returns what is kept, the oldest first.
func (r *refusals) snapshot() []Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Refusal
	for _, kept := range r.byName {
		all = append(all, kept...)
	}
	slices.SortFunc(all, func(a, b Refusal) int { return a.Last.Compare(b.Last) })
	return all
}
