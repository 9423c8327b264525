package client

import (
	"context"
	"time"

	"byzd/crypto"
	"byzd/daemon/api/byzdpb"
	"byzd/pbft/message"
)

// Who the members are changes. A client that trusts the genesis needs nobody's word for it: the old
// members prove who the new ones are, epoch by epoch (PROTOCOL §4.10), and any node may hand the
// proofs over. Replies count in one epoch only.

// epochPause is the least time between two questions for proofs to one node.
const epochPause = 200 * time.Millisecond

// wonder has the node asked for proofs soon.
func (l *link) wonder() {
	select {
	case l.puzzled <- struct{}{}:
	default:
	}
}

// askForEpochs asks the node for proofs when it connects, and whenever its replies do not verify.
func (l *link) askForEpochs(ctx context.Context) {
	for {
		select {
		case <-l.puzzled:
		case <-ctx.Done():
			return
		}
		asked, cancel := context.WithTimeout(ctx, dialTimeout)
		got, err := byzdpb.NewByzdClient(l.conn).Genesis(asked, &byzdpb.GenesisRequest{})
		cancel()
		if err == nil && len(got.GetEpochs()) > 0 {
			err = l.client.follow(got.GetEpochs())
		}
		if err != nil {
			l.client.note(l.endpoint, err)
		}
		if sleep(ctx, epochPause) != nil {
			return
		}
	}
}

// follow verifies proofs, and goes on in the last epoch that they lead to.
func (c *Client) follow(proofs []byte) error {
	chain, err := message.DecodeEpochs(c.first, proofs)
	if err != nil {
		return err
	}
	before := c.epoch.Load()
	next, err := message.FollowEpochs(before, chain)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if next.Epoch <= c.epoch.Load().Epoch {
		return nil
	}
	c.epoch.Store(next)
	for _, k := range c.calls {
		k.need, k.variants = next.Sizes.Weak, map[int]int{}
		k.tally = map[crypto.Digest]map[int]bool{}
		select {
		case k.hurry <- struct{}{}: // ask again: what was answered already did not count
		default:
		}
	}
	return nil
}

// Epoch returns the configuration of the newest epoch that was proved to this client.
func (c *Client) Epoch() *message.Config { return c.epoch.Load() }
