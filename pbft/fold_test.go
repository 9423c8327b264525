package pbft_test

import (
	"reflect"
	"slices"
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// TestFoldedRecordsAddUpToTheSame: what is written anew before the older part of a journal goes
// makes the same replica of it, but for votes below the stable checkpoint (rule R14, M41). It stands
// beside what it repeats until that is gone, and must not grow by this: a journal that is cut again and
// again would double each time.
func TestFoldedRecordsAddUpToTheSame(t *testing.T) {
	kinds := map[message.RecordType]bool{}
	for seed := uint64(1); seed <= 30; seed++ {
		w := newWalk(seed)
		for step := range 300 {
			w.step(step)
		}
		for _, node := range w.net.Nodes {
			var whole, short pbft.Fold
			for _, rec := range node.Records {
				whole.Add(rec)
			}
			records := whole.Records()
			for _, rec := range records {
				kinds[rec.Type] = true
				short.Add(rec)
			}
			want, got := whole.Result(), short.Result()
			floor := uint64(0)
			if want.Stable != nil {
				floor = want.Stable.Seq
			}
			for _, v := range got.Votes {
				if !slices.Contains(want.Votes, v) {
					t.Fatalf("seed %d: the vote %+v came from nowhere", seed, v)
				}
			}
			for _, v := range want.Votes {
				if v.Seq > floor && !slices.Contains(got.Votes, v) {
					t.Fatalf("seed %d: the vote %+v is lost", seed, v)
				}
			}
			for kind := range 2 {
				if a, b := last(want.Votes, kind), last(got.Votes, kind); a != b {
					t.Fatalf("seed %d: the last vote was %v and is %v", seed, a, b)
				}
			}
			for _, rec := range records {
				whole.Add(rec)
			}
			if again := whole.Records(); len(again) != len(records) {
				t.Fatalf("seed %d: %d records written anew became %d", seed, len(records), len(again))
			}
			want.Votes, got.Votes, want.Checkpoints, got.Checkpoints = nil, nil, nil, nil
			if !reflect.DeepEqual(want, got) || whole.Reserved != short.Reserved ||
				whole.Epoch != short.Epoch {
				t.Fatalf("seed %d: it was\n%+v\nand is\n%+v", seed, want, got)
			}
		}
	}
	for _, kind := range []message.RecordType{
		message.RecordVote, message.RecordHigh, message.RecordTarget, message.RecordView,
		message.RecordNewView, message.RecordStable, message.RecordCommitted,
		message.RecordCheckpoint, message.RecordEvidence,
	} {
		if !kinds[kind] {
			t.Errorf("no walk left a record of type %d", kind)
		}
	}
}

// last is the rank of the highest vote of a kind, PREPARE or COMMIT.
func last(votes []*message.Vote, kind int) (best message.Rank) {
	for _, v := range votes {
		if (kind == 1) == (v.Kind == crypto.KindCommit) && best.Less(v.Rank()) {
			best = v.Rank()
		}
	}
	return best
}
