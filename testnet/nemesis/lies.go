package nemesis

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const traitorSwap = "traitor-swap"

// lieFaults make nodes lie. A liar that was proved guilty may stop voting for good, honest or not:
// it is not expected back.
func lieFaults() []*Fault {
	return []*Fault{{
		Name: traitorSwap, Text: "a node lies, then lies otherwise, and is honest again",
		Charges: true, hits: guilty, do: lie, hold: lieOtherwise, undo: repent,
	}}
}

// lies are those that every node can tell at any time, so that it shows whether they are told.
func lies() []string {
	return []string{
		"mute", "withhold-commit", "equivocate-votes", "bad-signature", "impersonate", "corrupt",
		"wrong-digest", "view-change-spam", "replay-old",
	}
}

func lie(ctx context.Context, s *strike) error {
	first := lies()[s.random.IntN(len(lies()))]
	s.event.What = first
	return s.tell(ctx, first)
}

// tell makes the victim tell a lie, and waits until it has told it.
func (s *strike) tell(ctx context.Context, behaviour string) error {
	node := s.nodes[0]
	s.world.charge(node, "it lies")
	if err := s.world.net.SetTraitor(ctx, node, []string{behaviour}, false); err != nil {
		return err
	}
	return s.world.until(ctx, func(ctx context.Context) string {
		st, err := s.world.net.Status(ctx)
		if err != nil {
			return err.Error()
		}
		lies := st.Nodes[node].Lies
		if len(lies) == 1 && lies[0].Fired > 0 {
			return ""
		}
		return fmt.Sprintf("%s is armed and has not fired at node %d", behaviour, node)
	})
}

func lieOtherwise(ctx context.Context, s *strike, d time.Duration) error {
	if err := pause(ctx, d/2); err != nil {
		return err
	}
	second := s.event.What
	for second == s.event.What {
		second = lies()[s.random.IntN(len(lies()))]
	}
	s.event.What += ", then " + second
	if err := s.tell(ctx, second); err != nil {
		return err
	}
	s.event.done("node %d says that it told both", s.nodes[0])
	return pause(ctx, d/2)
}

func repent(ctx context.Context, s *strike) error {
	err := s.world.net.SetTraitor(ctx, s.nodes[0], nil, false)
	if err == nil && !s.event.Done {
		return errors.New("the second lie was not told")
	}
	return err
}
