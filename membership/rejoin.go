package membership

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	// rejoinMax bounds how many addresses are tried in one round.
	rejoinMax = 8
	// aloneFactor is how much sooner a node tries again that sees nobody at all.
	aloneFactor = 6
	// patience is how long a node may see nobody before it says so. Those who start together need a
	// moment.
	patience = 5 * time.Second
)

// rejoin is the goroutine that looks for members who are not seen: at the contact addresses and
// where they last were. It brings a partition together again, for both sides hold each other dead
// then, and gossip alone might never cross.
func (g *Gossip) rejoin() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	seen := time.Now() // when this node last saw another
	for {
		select {
		case <-timer.C:
		case <-g.done:
			return
		}
		err := g.contactAll(g.targets())
		switch {
		case !g.alone():
			seen = time.Now()
		case err != nil && time.Since(seen) > patience:
			g.transport.notices.tell(noticeContact, logrus.Fields{"err": err},
				"no member answers; is one running at a --join address?")
		}
		timer.Reset(g.rejoinPause())
	}
}

// alone reports whether this node sees nobody of the others that there are.
func (g *Gossip) alone() bool {
	return len(g.cfg.Members) > 1 && len(g.missing()) == len(g.cfg.Members)-1
}

// rejoinPause is between a half and one and a half of the interval, so that nodes that were started
// or cut off together do not all call at once.
func (g *Gossip) rejoinPause() time.Duration {
	mean := g.cfg.Timing.RejoinInterval
	if g.alone() {
		mean /= aloneFactor
	}
	return mean/2 + rand.N(mean) //nolint:gosec // Jitter is no secret.
}

// missing returns the members that should be reachable and are not. One that has left comes back
// by itself.
func (g *Gossip) missing() []uint16 {
	var missing []uint16
	for i := range g.cfg.Members {
		member := uint16(i)
		if member == g.transport.self {
			continue
		}
		switch g.view.state(member) {
		case Unknown, Dead:
			missing = append(missing, member)
		case Alive, Suspect, Left:
		}
	}
	return missing
}

// targets returns the addresses to try, at most rejoinMax, in random order.
func (g *Gossip) targets() []string {
	missing := g.missing()
	if len(missing) == 0 {
		return nil
	}
	targets := slices.Clone(g.cfg.Join)
	for _, member := range missing {
		if addr, ok := g.transport.address(member); ok {
			targets = append(targets, addr.String())
		}
	}
	slices.Sort(targets)
	targets = slices.Compact(targets)
	own := []string{g.addr, g.transport.own().SwimAddr}
	targets = slices.DeleteFunc(targets, func(t string) bool { return slices.Contains(own, t) })
	//nolint:gosec // The order is no secret.
	rand.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	return targets[:min(len(targets), rejoinMax)]
}

// contactAll tries addresses side by side, so that a silent one does not hold up the others. It
// returns what was wrong with each, or nil if one answered.
func (g *Gossip) contactAll(addrs []string) error {
	errs := make([]error, len(addrs))
	var calls sync.WaitGroup
	for i, addr := range addrs {
		calls.Go(func() {
			errs[i] = g.contact(addr)
			if errs[i] != nil && !g.closed() {
				g.cfg.Log.WithField("err", errs[i]).Debug("contact address does not answer")
			}
		})
	}
	calls.Wait()
	if slices.Contains(errs, nil) {
		return nil
	}
	return errors.Join(errs...)
}
