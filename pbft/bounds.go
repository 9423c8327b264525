package pbft

import (
	"byzd/pbft/message"
)

// Bound is what one resource of a replica takes, and what it can take at most, whatever others send
// (PROTOCOL §4.15 with rules R2 and R18).
type Bound struct {
	Resource string // as a metric's label
	Used     int64
	Limit    int64
}

// Bounds lists what this replica holds in memory. The limits follow from the number of replicas and
// from the parameters; the scheme adds the size of what is counted here one by one
// ([message.Config.Limits]).
func (r *Replica) Bounds() []Bound {
	n, window := int64(len(r.cfg.Members)), int64(r.cfg.Params.Window) //nolint:gosec // small
	votes, ahead := r.countVotes()
	bundles, bytes := r.pool.count()
	points := int64(0)
	for _, row := range r.checkpoints { // any order: it counts
		for _, c := range row {
			if c != nil {
				points++
			}
		}
	}
	evidence := n * int64(message.EvidenceForkedCommits)
	return []Bound{
		// Of the current view both kinds for each place of the window and for the base.
		{"votes", votes, 2 * n * (window + 1)},
		{"votes_ahead", ahead, n * maxAheadVotes},
		{"checkpoints", points, n * keptCheckpoints},
		{"view_changes", countSet(r.changes), n},
		{"new_views", int64(len(r.newViews)), keptNewViews},
		{"statements", int64(len(r.told.votes)), keptStatements},
		{"evidence", int64(len(r.proofs)), evidence},
		// The window, what is buffered ahead, what was executed lately, and of the views before
		// what a certificate may still bring back (rule R2).
		{"batches", int64(len(r.entries)), 2*window + 4*maxAhead + keptExecuted},
		{"history", int64(len(r.history)), 4*window + 2},
		{"pool_bundles", bundles, n * (maxPoolBundles + 1)},
		{"pool_bytes", bytes, poolBytes + n*int64(r.cfg.Params.MaxBundleBytes)},
	}
}

// countVotes counts the votes of the current view and those of views to come.
func (r *Replica) countVotes() (votes, ahead int64) {
	for key, s := range r.slots { // any order: it counts
		if key.view > r.view {
			ahead += countSet(s.votes)
		} else {
			votes += countSet(s.votes)
		}
	}
	return votes, ahead
}

func countSet[T any](list []*T) int64 {
	count := int64(0)
	for _, one := range list {
		if one != nil {
			count++
		}
	}
	return count
}

// count returns how many bundles wait, and their bytes.
func (p *pool) count() (bundles, bytes int64) {
	for g := range p.queues {
		bundles += int64(len(p.queues[g].order))
		bytes += int64(p.queues[g].bytes)
	}
	return bundles, bytes
}
