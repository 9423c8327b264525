package daemon

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"byzd/crypto"
	"byzd/daemon/conditions"
	"byzd/daemon/loop"
	"byzd/daemon/operator"
	"byzd/membership"
	"byzd/pbft/traitor"
)

// traitors is what this node lies about, on a testnet. It implements [operator.Control].
type traitors struct {
	node *node
	now  atomic.Pointer[traitor.Traitor]
}

// Control implements [operator.Node].
func (n *node) Control() operator.Control {
	if !n.cluster().Params.Testnet {
		return nil
	}
	return n.traitors
}

// arm makes this node the traitor that its options say, and cuts its links, before there are any.
func (n *node) arm() error {
	n.traitors = &traitors{node: n}
	if err := n.traitors.SetConditions(operator.Conditions{Cut: n.opts.Cut}); err != nil {
		return advise("name members of this testnet", "cut links: %w", err)
	}
	if len(n.opts.Traitors) == 0 {
		return nil
	}
	t, err := n.traitors.build(n.opts.Traitors)
	if err != nil {
		return err
	}
	n.loop.SetAdversary(t)
	for _, spec := range n.opts.Traitors {
		n.opts.Log.WithField("behaviour", spec).Warn("THIS NODE IS A TRAITOR")
	}
	return nil
}

// rearm makes the traitor of the epoch before one of the next, by its new number and configuration.
// It runs on the loop.
func (t *traitors) rearm(self int) {
	old := t.now.Load()
	if old == nil || self < 0 {
		return
	}
	var specs []string
	for i, a := range old.Status() {
		specs = append(specs, t.node.homes.text(i, a.Spec))
	}
	if len(specs) == 0 {
		return
	}
	made, err := t.build(specs)
	if err != nil {
		t.node.opts.Log.WithError(err).Warn("this node is honest from this epoch on")
		return
	}
	t.node.loop.SetAdversary(made)
}

// build makes the traitor of some specifications, in the epoch that the loop is in and with the key
// that signs there. It runs on the loop, or before that does.
func (t *traitors) build(texts []string) (*traitor.Traitor, error) {
	specs := make([]traitor.Spec, len(texts))
	for i, text := range texts {
		var err error
		if specs[i], err = traitor.Parse(text); err != nil {
			return nil, err
		}
		specs[i] = placed(t.node.numbered(), t.node.cluster(), specs[i])
	}
	made, err := traitor.New(traitor.Config{
		Cluster: t.node.cluster(), Self: t.node.self(), Sealer: t.node.loop.Sealer(), Specs: specs,
		Forge: loop.Forger{},
	})
	if err != nil {
		return nil, err
	}
	t.now.Store(made)
	t.node.homes.given.Store(&texts)
	return made, nil
}

// SetTraitors implements [operator.Control].
func (t *traitors) SetTraitors(ctx context.Context, texts []string) error {
	var made *traitor.Traitor
	var wrong error
	err := t.node.owner.do(ctx, func(l *loop.Loop) {
		if made, wrong = t.build(texts); wrong != nil {
			return
		}
		if len(texts) == 0 {
			l.SetAdversary(nil)
			return
		}
		l.SetAdversary(made)
	})
	if err != nil {
		return err
	}
	if wrong != nil {
		return wrong
	}
	t.whisper(made)
	t.node.opts.Log.WithField("behaviours", texts).Warn("this node's behaviour is changed")
	return nil
}

// whisper arms the lies that gossip tells.
func (t *traitors) whisper(made *traitor.Traitor) {
	t.node.discovery.arm(nil)
	for _, lie := range made.Gossip() {
		told := membership.NewFalseDead(t.nodes(lie.Victims), t.nodes(lie.Listeners))
		made.Count(lie.Behaviour, told.Count)
		t.node.discovery.arm(told)
	}
}

func (t *traitors) nodes(numbers []int) []crypto.NodeID {
	out := make([]crypto.NodeID, len(numbers))
	for i, k := range numbers {
		out[i] = t.node.cluster().Members[k].Node
	}
	return out
}

// SetConditions implements [operator.Control].
func (t *traitors) SetConditions(c operator.Conditions) error {
	cut, err := t.node.called(c.Cut)
	if err != nil {
		return err
	}
	rules := conditions.Rules{Cut: cut, Weather: map[crypto.NodeID]conditions.Weather{}}
	for _, link := range c.Weather {
		w := conditions.Weather{
			Loss: link.Loss, Duplicate: link.Duplicate,
			Delay: milliseconds(link.DelayMS), Jitter: milliseconds(link.JitterMS),
		}
		to, err := t.node.called([]int{link.To})
		if err == nil {
			err = w.Check()
		}
		if err != nil {
			return err
		}
		rules.Weather[to[0]] = w
	}
	t.node.conditions.Set(rules)
	return nil
}

// milliseconds is a duration, out of bounds if it does not fit one.
func milliseconds(ms int64) time.Duration {
	if ms < 0 || ms > conditions.DelayMost.Milliseconds() {
		return -1
	}
	return time.Duration(ms) * time.Millisecond
}

// SetDiskQuota implements [operator.Control].
func (t *traitors) SetDiskQuota(bytes int64) error {
	if bytes < 0 {
		return fmt.Errorf("a quota of %d bytes is negative", bytes)
	}
	t.node.quota.SetLimit(bytes)
	return nil
}

// status tells what is armed and what has fired.
func (t *traitors) status() []operator.Traitor {
	out := []operator.Traitor{}
	now := t.now.Load()
	if now == nil {
		return out
	}
	for i, a := range now.Status() {
		row := operator.Traitor{
			Spec: t.node.homes.text(i, a.Spec), State: "fired", Waits: a.Waits,
			Fired: map[string]uint64{a.Behaviour: a.Fired},
		}
		if a.Fired == 0 {
			row.State = "armed"
		}
		out = append(out, row)
	}
	return out
}
