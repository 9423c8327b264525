package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"byzd/daemon/loop"
	"byzd/daemon/operator"
	"byzd/pbft/message"
)

// announceTime bounds how long a submitted change may take until it is ordered.
const announceTime = 10 * time.Second

// Change implements [operator.Node]: it orders a change of the members that enough administrators
// have signed, so that all members know of it. It is made as soon as those whom it names are ready.
func (n *node) Change(ctx context.Context, data []byte) error {
	rc, err := message.DecodeReconfiguration(data)
	if err != nil {
		return fmt.Errorf("the change: %w", err)
	}
	if _, err := rc.Approved(n.cluster(), message.Ref{}); err != nil {
		return err
	}
	rc.Ready = nil
	ctx, cancel := context.WithTimeout(ctx, announceTime)
	defer cancel()
	taken := false
	if err := n.owner.do(ctx, func(l *loop.Loop) {
		taken = l.Submit(message.Item{Reconfig: rc}, "operator", 0)
	}); err != nil {
		return err
	}
	if !taken {
		return errors.New("this node has too much to do, or is no member; try again, or elsewhere")
	}
	return n.awaitChange(ctx, rc)
}

// awaitChange waits until a change was announced, or is made.
func (n *node) awaitChange(ctx context.Context, rc *message.Reconfiguration) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		known := false
		if err := n.owner.do(ctx, func(l *loop.Loop) {
			pending, _, _ := l.Pending()
			known = l.Cluster().Epoch > rc.Change.Epoch ||
				pending != nil && pending.Change.Digest() == rc.Change.Digest()
		}); err != nil {
			return fmt.Errorf("the change was handed in, and is not ordered yet: %w", err)
		}
		if known {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the change was handed in, and is not ordered yet: %w", ctx.Err())
		}
	}
}

// Epochs implements [operator.Node].
func (n *node) Epochs() []byte { return n.epochChain() }

// Epoch implements [operator.Node].
func (n *node) Epoch(ctx context.Context) (*operator.Epoch, error) {
	out := &operator.Epoch{}
	err := n.owner.do(ctx, func(l *loop.Loop) {
		now := l.Cluster()
		out.Epoch, out.Base, out.Liars = now.Epoch, now.Base.Seq, now.Sizes.F
		out.Config = now.Digest().String()
		out.Admins, out.Threshold = len(now.Admins.Keys), now.Admins.Threshold
		for i := range now.Members {
			out.Members = append(out.Members, epochMember(&now.Members[i]))
		}
		rc, next, ready := l.Pending()
		if rc == nil {
			return
		}
		out.Pending = &operator.NextEpoch{Liars: next.Sizes.F, Approvals: len(rc.Approvals)}
		for i := range next.Members {
			m := epochMember(&next.Members[i])
			old := now.Member(next.Members[i].Node)
			m.New = old < 0 || !bytes.Equal(
				now.Members[old].Key.Bytes(), next.Members[i].Key.Bytes())
			for _, k := range ready {
				m.Ready = m.Ready || k == i
			}
			out.Pending.Members = append(out.Pending.Members, m)
		}
	})
	return out, err
}

func epochMember(m *message.Member) operator.EpochMember {
	return operator.EpochMember{
		Name: m.Name, ID: m.Node.String(), Key: m.Key.Bytes(),
	}
}
