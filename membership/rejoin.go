package membership

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// rejoinMax bounds how many addresses are tried in one round.
	rejoinMax = 8
	// aloneFactor is how much sooner a node tries again that sees nobody at all.
	aloneFactor = 6
)

// rejoin is the goroutine that looks for members who are not seen: at the contact addresses and
// where they last were. It brings a partition together again, for both sides hold each other dead
// then, and gossip alone might never cross.
func (g *Gossip) rejoin() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-g.done:
			return
		}
		g.contactAll(g.targets())
		timer.Reset(g.rejoinPause())
	}
}

// rejoinPause is between a half and one and a half of the interval, so that nodes that were started
// or cut off together do not all call at once.
func (g *Gossip) rejoinPause() time.Duration {
	mean := g.cfg.Timing.RejoinInterval
	if len(g.missing()) == len(g.cfg.Members)-1 {
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
	own := []string{g.addr, g.transport.record.SwimAddr}
	targets = slices.DeleteFunc(targets, func(t string) bool { return slices.Contains(own, t) })
	rand.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	return targets[:min(len(targets), rejoinMax)]
}

// contactAll tries addresses side by side, so that a silent one does not hold up the others.
func (g *Gossip) contactAll(addrs []string) {
	var calls sync.WaitGroup
	for _, addr := range addrs {
		calls.Go(func() {
			if err := g.contact(addr); err != nil && !g.closed() {
				g.cfg.Log.WithField("err", err).Debug("contact address does not answer")
			}
		})
	}
	calls.Wait()
}
