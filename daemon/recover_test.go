package daemon_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"byzd/crypto"
)

func (c *cluster) data(i int) string { return filepath.Join(c.dir, fmt.Sprint(i), "data") }

// load writes through a node until it is stopped.
func (c *cluster) load(i int) (stop func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cli := c.client(i)
	var wg sync.WaitGroup
	wg.Go(func() {
		for k := 0; ctx.Err() == nil; k++ {
			_, _ = cli.Put(ctx, fmt.Sprintf("load-%d", k%100), "v") // what counts is looked at later
		}
	})
	return func() {
		cancel()
		wg.Wait()
		_ = cli.Close()
	}
}

// votesAgain waits until a node has recovered, and the others have heard a vote of it in a view
// that it cannot have voted in before.
func (c *cluster) votesAgain(i int, before uint64) {
	c.t.Helper()
	until(c.t, fmt.Sprintf("node %d votes again", i), func() bool {
		if st := c.status(i); st.Recovering || !st.Active {
			return false
		}
		for _, p := range c.status((i + 1) % 4).Peers {
			if p.Node == i && p.LastVote.View >= before+2 {
				return true
			}
		}
		return false
	})
}

// R15: a node whose disk is gone comes back and votes while load goes on; and one whose disk is
// damaged in the middle, which is set aside and never deleted.
func TestLostDiskComesBack(t *testing.T) {
	for _, loss := range []struct {
		name string
		lose func(t *testing.T, data string)
		why  string
	}{
		{"wiped", func(t *testing.T, data string) {
			if err := os.RemoveAll(data); err != nil {
				t.Fatal(err)
			}
		}, "no journal"},
		{"a byte flipped", func(t *testing.T, data string) { flipInJournal(t, data) }, "was damaged"},
		{"cut short", func(t *testing.T, data string) { cutJournal(t, data) }, "was damaged"},
	} {
		t.Run(loss.name, func(t *testing.T) {
			c := newCluster(t, 4, crypto.SchemeEd25519)
			defer c.stopAll()
			for i := range 4 {
				c.start(i)
			}
			c.put(3, "before")
			for k := range 20 {
				c.put(k%4, fmt.Sprint(k))
			}
			stop := c.load(1)
			defer stop()
			view := c.status(1).View
			c.stop(3)
			loss.lose(t, c.data(3))
			if err := os.MkdirAll(c.data(3), 0o700); err != nil {
				t.Fatal(err)
			}
			c.start(3)
			until(t, "it says why it does not vote", func() bool {
				st := c.status(3)
				return st.Recovering && strings.Contains(st.Reason, loss.why) || st.Events["recovered"] > 0
			})
			c.votesAgain(3, view)
			c.put(3, "after")
			aside, err := filepath.Glob(filepath.Join(c.data(3), "damaged-*", "journal-*"))
			if err != nil || (len(aside) > 0) != (loss.why == "was damaged") {
				t.Errorf("set aside: %v, %v", aside, err)
			}
			// It is whole again, and its journal remembers: the next start is an ordinary one.
			c.stop(3)
			c.start(3)
			c.ready(3)
			if st := c.status(3); st.Recovering {
				t.Errorf("after another start: %+v", st)
			}
		})
	}
}

// segment returns the path of the journal's only segment.
func segment(t *testing.T, data string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "journal-*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("segments: %v, %v", files, err)
	}
	return files[0]
}

func flipInJournal(t *testing.T, data string) {
	t.Helper()
	path := segment(t, data)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[1000] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func cutJournal(t *testing.T, data string) {
	t.Helper()
	if err := os.Truncate(segment(t, data), 2000); err != nil {
		t.Fatal(err)
	}
}

// R14 and R15: a node that was put back to yesterday's state finds out from the others, does no
// harm, and comes back. So does one that was put back to before its first start.
func TestOldHomeIsHarmless(t *testing.T) {
	for _, age := range []string{"yesterday", "before its first start"} {
		t.Run(age, func(t *testing.T) {
			c := newCluster(t, 4, crypto.SchemeEd25519)
			defer c.stopAll()
			for i := range 4 {
				c.start(i)
			}
			c.put(3, "before")
			old := filepath.Join(t.TempDir(), "old")
			if age == "yesterday" {
				c.stop(3)
				if err := os.CopyFS(old, os.DirFS(c.data(3))); err != nil {
					t.Fatal(err)
				}
				c.start(3)
				c.ready(3)
			} else {
				markNew(t, old)
			}
			for k := range 10 {
				c.put(k%4, fmt.Sprint(k))
			}
			view := c.status(1).View
			c.stop(3)
			if err := os.RemoveAll(c.data(3)); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(old, c.data(3)); err != nil {
				t.Fatal(err)
			}
			c.start(3)
			c.votesAgain(3, view)
			c.put(3, "after")
			for i := range 4 {
				if st := c.status(i); len(st.Evidence) > 0 {
					t.Errorf("node %d: %v", i, st.Evidence)
				}
			}
		})
	}
}

// A new cluster begins at once, in view 0, also when one of its nodes comes late.
func TestNewClusterDoesNotRecover(t *testing.T) {
	c := newCluster(t, 4, crypto.SchemeEd25519)
	defer c.stopAll()
	for i := range 3 {
		c.start(i)
	}
	c.put(1, "before")
	c.start(3)
	c.ready(3)
	c.put(3, "after")
	for i := range 4 {
		if st := c.status(i); st.View != 0 || st.Recovering || st.Events["forgot"] > 0 {
			t.Errorf("node %d: %+v", i, st)
		}
	}
}

// R15: when more disks are gone than the cluster withstands, nothing is voted for, and every node
// says why and what to do.
func TestTooManyLostDisks(t *testing.T) {
	c := newCluster(t, 4, crypto.SchemeEd25519)
	defer c.stopAll()
	for i := range 4 {
		c.start(i)
	}
	c.put(1, "before")
	for i := 2; i < 4; i++ {
		c.stop(i)
		if err := os.RemoveAll(c.data(i)); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(c.data(i), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.start(2)
	c.start(3)
	for i := range 4 {
		until(t, fmt.Sprintf("node %d says so", i), func() bool {
			st := c.status(i)
			return !st.Ready && strings.Contains(st.Reason, "have their newest data directory back")
		})
	}
}
