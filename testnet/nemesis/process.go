package nemesis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"byzd/testnet"
)

// processFaults kill, stop and pause processes.
func processFaults() []*Fault {
	kill := func(name, text string, hits target) *Fault {
		return &Fault{Name: name, Text: text, hits: hits, do: kill, undo: restart}
	}
	stand := func(name, text string, hits target) *Fault {
		return &Fault{Name: name, Text: text, hits: hits, do: stopMoving, undo: goOn}
	}
	killAll := kill("kill-all", "SIGKILL to all nodes at once, then all are started again", all)
	pauseMany := stand("pause-many", "SIGSTOP to f+1 nodes, then SIGCONT", many)
	killAll.Halts, pauseMany.Halts = true, true
	return []*Fault{
		kill("kill-one", "SIGKILL to a node, then it is started again", one),
		kill("kill-primary", "SIGKILL to the primary, then it is started again", primary),
		killAll,
		{
			Name: "term-one", Text: "SIGTERM to a node, then it is started again",
			hits: one, do: term, undo: restart,
		},
		stand("pause-one", "SIGSTOP to a node, then SIGCONT", one),
		stand("pause-primary", "SIGSTOP to the primary, then SIGCONT", primary),
		stand("pause-f", "SIGSTOP to f nodes, then SIGCONT", few),
		pauseMany,
		{
			Name: "rolling-restart", Text: "every node is restarted, each when the last is ready",
			hits: nobody, do: roll, hold: noHold,
		},
	}
}

// gone reports whether no process has this number.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// ended notes that the victims' processes are gone.
func (s *strike) ended(before *testnet.State, want testnet.Process) error {
	after, err := s.world.net.State()
	if err != nil {
		return err
	}
	var said []string
	for _, i := range s.nodes {
		pid, n := before.Nodes[i].PID, &after.Nodes[i]
		if n.Process != want || pid <= 0 || !gone(pid) {
			return fmt.Errorf("node %d, process %d, is %s, not %s", i, pid, n.Describe(), want)
		}
		said = append(said, fmt.Sprintf("process %d is gone: %s", pid, n.Describe()))
	}
	s.event.done("%s", strings.Join(said, "; "))
	return nil
}

func kill(ctx context.Context, s *strike) error {
	before, err := s.world.net.State()
	if err != nil {
		return err
	}
	if err := s.world.net.Kill(ctx, s.nodes...); err != nil {
		return err
	}
	return s.ended(before, testnet.Killed)
}

func term(ctx context.Context, s *strike) error {
	before, err := s.world.net.State()
	if err != nil {
		return err
	}
	if err := s.world.net.Stop(ctx, s.nodes...); err != nil {
		return err
	}
	return s.ended(before, testnet.Exited)
}

// restart starts the victims at the same time: none of them waits for another.
func restart(ctx context.Context, s *strike) error {
	errs := make([]error, len(s.nodes))
	var wg sync.WaitGroup
	for k, i := range s.nodes {
		wg.Go(func() { errs[k] = s.world.net.Restart(ctx, i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func stopMoving(ctx context.Context, s *strike) error {
	if err := s.world.net.Pause(ctx, s.nodes...); err != nil {
		return err
	}
	st, err := s.world.net.Status(ctx)
	if err != nil {
		return err
	}
	var said []string
	for _, i := range s.nodes {
		if n := &st.Nodes[i]; n.Process != testnet.Paused {
			return fmt.Errorf("node %d is %s, not paused", i, n.Describe())
		}
		said = append(said, fmt.Sprintf("process %d stands still", st.Nodes[i].PID))
	}
	s.event.done("%s", strings.Join(said, "; "))
	return nil
}

func goOn(ctx context.Context, s *strike) error { return s.world.net.Resume(ctx, s.nodes...) }

// roll restarts the nodes that are not charged, one after the other.
func roll(ctx context.Context, s *strike) error {
	before, err := s.world.net.State()
	if err != nil {
		return err
	}
	nodes := s.world.healthy()
	for _, i := range nodes {
		if err := s.world.net.Restart(ctx, i); err != nil {
			return err
		}
		if _, err := s.world.back(ctx, i); err != nil {
			return err
		}
	}
	after, err := s.world.net.State()
	if err != nil {
		return err
	}
	for _, i := range nodes {
		if was, is := before.Nodes[i].PID, after.Nodes[i].PID; was == is || is == 0 || !gone(was) {
			return fmt.Errorf("node %d was process %d and is process %d", i, was, is)
		}
	}
	s.event.done("all %d have new processes", len(nodes))
	return nil
}

// noHold is for faults that have lasted when they are done.
func noHold(context.Context, *strike, time.Duration) error { return nil }
