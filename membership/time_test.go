package membership

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"byzd/crypto"
)

// These tests are about how long things take, and so run in virtual time: what they find does not
// depend on the machine. All use the default timing unless they say otherwise.

// noticed is how soon a crash must be known to all.
const noticed = 10 * time.Second

// TestTime_CrashIsNoticed wants no false suspicion in a quiet while, and a crash known to all in
// time, without harm to the others. With two nobody can confirm a suspicion.
func TestTime_CrashIsNoticed(t *testing.T) {
	for _, n := range []int{2, 4, 16} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inEther(t, n, func(c *cluster) {
				all := upTo(n)
				c.startAll(all...)
				wait(c.t, 20*time.Second, "start", c.sees(all, all, Alive))
				for range 20 {
					elapse(time.Second)
					if err := c.sees(all, all, Alive)(); err != nil {
						c.t.Fatal(err)
					}
				}
				c.kill(n / 2)
				rest := slices.Delete(upTo(n), n/2, n/2+1)
				wait(c.t, noticed, "crash is seen by all", c.sees(rest, []int{n / 2}, Dead))
				if err := c.sees(rest, rest, Alive)(); err != nil {
					c.t.Error(err)
				}
			})
		})
	}
}

// TestTime_PartitionOutlastsEverySuspicion cuts the network until everybody on the other side is
// long dead. SWIM alone would never cross again; the periodic re-join does.
func TestTime_PartitionOutlastsEverySuspicion(t *testing.T) {
	inEther(t, 5, func(c *cluster) {
		all, few, many := upTo(5), []int{0, 1}, []int{2, 3, 4}
		c.startAll(all...)
		wait(c.t, 20*time.Second, "start", c.sees(all, all, Alive))
		sides := []netip.AddrPort{c.nodes[0].transport.sockets.addr, c.nodes[1].transport.sockets.addr}
		c.ether.divide(1, sides...)
		elapse(2 * time.Minute)
		for _, check := range []func() error{
			c.sees(few, many, Dead), c.sees(many, few, Dead), c.sees(few, few, Alive),
			c.sees(many, many, Alive),
		} {
			if err := check(); err != nil {
				c.t.Error(err)
			}
		}
		c.ether.divide(0, sides...)
		wait(c.t, 10*time.Second, "one cluster again", c.sees(all, all, Alive))
	})
}

// TestTime_ContactDies takes the only contact address away from everybody: who has found the others
// keeps them, and who comes back to where it was is found by them.
func TestTime_ContactDies(t *testing.T) {
	inEther(t, 5, func(c *cluster) {
		all, rest := upTo(5), []int{1, 2, 3, 4}
		c.startAll(all...)
		wait(c.t, 20*time.Second, "start", c.sees(all, all, Alive))
		contact := c.nodes[0].Addr()
		c.kill(0)
		wait(c.t, noticed, "the contact is missed", c.sees(rest, []int{0}, Dead))
		elapse(time.Minute)
		if err := c.sees(rest, rest, Alive)(); err != nil {
			c.t.Error(err)
		}
		was := c.nodes[4].Addr()
		c.kill(4)
		wait(c.t, noticed, "node 4 is missed", c.sees([]int{1, 2, 3}, []int{4}, Dead))
		c.adjust = func(i int, cfg *Config) {
			patient(i, cfg)
			cfg.Bind = was
		}
		c.start(4, contact)
		wait(c.t, 20*time.Second, "found though its contact is dead", c.sees(rest, rest, Alive))
	})
}

// TestTime_TooShortSuspectsFalsely is the lecture's point about timeouts: below the delay of a
// loaded network they accuse the living, and the accusation is withdrawn when the load has gone.
// That this harms no agreement is shown where there is agreement, in package daemon.
func TestTime_TooShortSuspectsFalsely(t *testing.T) {
	inEther(t, 4, func(c *cluster) {
		w := &weather{side: map[crypto.NodeID]int{}}
		c.adjust = func(_ int, cfg *Config) {
			cfg.Timing = Timing{ProbeInterval: 60 * time.Millisecond, ProbeTimeout: 40 * time.Millisecond}
			cfg.Conditions = w
		}
		all := upTo(4)
		c.startAll(all...)
		wait(c.t, 20*time.Second, "start", c.sees(all, all, Alive))
		w.set(func() { w.slow, w.delay = c.members[0].ID, 400*time.Millisecond })
		wait(c.t, 20*time.Second, "somebody suspects the slow one falsely", func() error {
			for _, o := range []int{1, 2, 3} {
				if s := c.nodes[o].View()[0].State; s == Suspect || s == Dead {
					return nil
				}
			}
			return ErrRefused
		})
		w.set(func() { w.delay = 0 })
		wait(c.t, 30*time.Second, "the suspicion clears", c.sees(all, all, Alive))
	})
}

// TestTime_PatienceSuspectsNobody is the other half: with the default timing the same load accuses
// nobody.
func TestTime_PatienceSuspectsNobody(t *testing.T) {
	inEther(t, 4, func(c *cluster) {
		w := &weather{side: map[crypto.NodeID]int{}, delay: 150 * time.Millisecond}
		c.adjust = func(i int, cfg *Config) {
			patient(i, cfg)
			cfg.Conditions = w
		}
		w.slow = c.members[0].ID
		all := upTo(4)
		c.startAll(all...)
		wait(c.t, 20*time.Second, "start", c.sees(all, all, Alive))
		holds(c.t, 30*time.Second, c.sees(all, all, Alive))
	})
}

// listening makes the log of a node readable by the test.
func listening(cfg *Config) *strings.Builder {
	var out strings.Builder // logrus writes under a lock of its own
	log := logrus.New()
	log.SetOutput(&out)
	cfg.Log = log
	return &out
}

// TestTime_ClockWasSetBack starts a node again with a smaller counter, as a machine does whose
// clock was restored. It says so, and is heard all the same.
func TestTime_ClockWasSetBack(t *testing.T) {
	inEther(t, 4, func(c *cluster) {
		all := upTo(4)
		c.startAll(all...)
		wait(c.t, 20*time.Second, "start", c.sees(all, all, Alive))
		old := c.nodes[2].transport.own()
		c.kill(2)
		wait(c.t, noticed, "missed", c.sees([]int{0, 1, 3}, []int{2}, Dead))
		var said *strings.Builder
		c.adjust = func(i int, cfg *Config) {
			patient(i, cfg)
			cfg.Counter = 1
			said = listening(cfg)
		}
		g := c.start(2, c.nodes[0].Addr())
		wait(c.t, 20*time.Second, "heard in the end", c.sees(all, all, Alive))
		now := g.transport.own()
		if now.Counter <= old.Counter || now.SwimAddr == old.SwimAddr {
			c.t.Errorf("record %+v after %+v", now, old)
		}
		if g.Counters()["self_conflict"] == 0 || c.nodes[0].Counters()["record_old"] == 0 {
			c.t.Errorf("not counted:%s /%s", counted(g), counted(c.nodes[0]))
		}
		holds(c.t, 30*time.Second, c.sees(all, all, Alive))
		c.kill(2)
		for _, want := range []string{"its clock was set back", "started anew"} {
			if !strings.Contains(said.String(), want) {
				c.t.Errorf("the log does not say %q: %s", want, said)
			}
		}
	})
}

// TestTime_TwoProcessesWithOneKey is the mistake of copying a home: the two outbid each other, and
// that has an end.
func TestTime_TwoProcessesWithOneKey(t *testing.T) {
	inEther(t, 4, func(c *cluster) {
		c.adjust = func(_ int, cfg *Config) { // They meet more often than in life.
			cfg.Timing = Timing{PushPullInterval: 500 * time.Millisecond}
		}
		all := upTo(4)
		c.startAll(all...)
		wait(c.t, 20*time.Second, "start", c.sees(all, all, Alive))
		first := c.nodes[3]
		second := c.start(3, c.nodes[0].Addr())
		elapse(40 * time.Second)
		runs := func(g *Gossip) int {
			g.transport.mu.Lock()
			defer g.transport.mu.Unlock()
			return g.transport.runs
		}
		before := runs(first) + runs(second)
		elapse(20 * time.Second)
		if after := runs(first) + runs(second); before == 0 || after != before || after > 2*runsMax {
			c.t.Errorf("%d and then %d new runs", before, after)
		}
		if err := c.sees(upTo(3), upTo(3), Alive)(); err != nil {
			c.t.Error(err)
		}
		if err := first.Close(); err != nil {
			c.t.Error(err)
		}
	})
}

// TestRoster_OutrunsNobodyForEver has a counter at the end of its range.
func TestRoster_OutrunsNobodyForEver(t *testing.T) {
	w := newWall(t)
	for i, counter := range []uint64{6, 9, math.MaxUint64} {
		if _, why := w.learn(w.said(0, counter, 1), nil); why != refusedSelfConflict {
			t.Fatalf("step %d: %v", i, why)
		}
	}
	if got := w.run(); got != 10 {
		t.Errorf("our run is %d, want 10", got)
	}
	if a, _ := w.newest(0); !a.authentic(w.cluster) {
		t.Error("the raised record is not signed")
	}
}

// TestAttack_CannotKeepTheDeadAlive has a liar who vouches for a crashed member with all it has:
// the true announcement, push/pull, acks of every number, and the packets that the dead one sent.
func TestAttack_CannotKeepTheDeadAlive(t *testing.T) {
	inEther(t, 4, func(c *cluster) {
		correct := upTo(3)
		c.startAll(correct...)
		wait(c.t, 20*time.Second, "start", c.sees(correct, correct, Alive))
		last, _ := c.nodes[0].transport.newest(2)
		captured := c.nodes[2].transport.seal(0, []message{ackMessage{1}, aliveMessage{last}})
		c.kill(2)
		a := newAttacker(c.t, c, 3)
		number := uint32(0)
		wait(c.t, noticed, "crash is seen all the same", func() error {
			for _, i := range []int{0, 1} {
				a.tell(c.nodes[i], aliveMessage{last}, ackMessage{number}, ackMessage{number / 4})
			}
			a.raw(c.nodes[0], captured[0].packet)
			number++
			body := encodeState([]opinion{{Alive, last}})
			if number%50 == 0 {
				a.stream(c.nodes[0], uint32(len(body)), body)
			}
			return c.sees([]int{0, 1}, []int{2}, Dead)()
		})
		for range 20 {
			a.tell(c.nodes[0], aliveMessage{last})
		}
		holds(c.t, time.Minute, c.sees([]int{0, 1}, []int{2}, Dead))
	})
}

// TestRelay_BringsPingAndAnswer cuts two members off from each other, and nobody else: helpers keep
// them in each other's view.
func TestRelay_BringsPingAndAnswer(t *testing.T) {
	inEther(t, 4, func(c *cluster) {
		gap := pairGap{c.members[0].ID, c.members[1].ID}
		c.adjust = func(i int, cfg *Config) {
			patient(i, cfg)
			cfg.Conditions = gap
		}
		all := upTo(4)
		c.start(2)
		for _, i := range []int{0, 1, 3} {
			c.start(i, c.nodes[2].Addr())
		}
		wait(c.t, 20*time.Second, "start", c.sees(all, all, Alive))
		start := time.Now()
		wait(c.t, 20*time.Second, "0 hears 1 by helpers", func() error {
			for o, s := range map[int]int{0: 1, 1: 0} {
				if !c.nodes[o].View()[s].LastHeard.After(start) {
					return ErrRefused
				}
			}
			return nil
		})
		holds(c.t, time.Minute, func() error {
			for _, o := range all {
				for s, v := range c.nodes[o].View() {
					if v.State == Dead {
						return fmt.Errorf("node %d holds node %d for dead", o, s)
					}
				}
			}
			return nil
		})
	})
}
