package testnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"
)

// each does something to nodes: it takes their turns, checks all of them, and only then acts on
// each. So a command that names a node in the wrong state changes nothing.
func (s *supervisor) each(
	ctx context.Context, nodes []int,
	check func(*NodeState) error, act func(context.Context, int, *child) error,
) error {
	if len(nodes) == 0 {
		return usagef("name one or more", "no node was named")
	}
	ordered := slices.Compact(slices.Sorted(slices.Values(nodes)))
	release, err := s.takeTurns(ctx, ordered)
	defer release()
	if err != nil {
		return err
	}
	for _, i := range ordered {
		n, _ := s.node(i)
		if err := check(&n); err != nil {
			return err
		}
	}
	var errs []error
	for _, i := range ordered {
		_, c := s.node(i)
		errs = append(errs, act(ctx, i, c))
	}
	return errors.Join(errs...)
}

// takeTurns waits for the turns of nodes, in their order. release gives back what it got.
func (s *supervisor) takeTurns(ctx context.Context, nodes []int) (release func(), err error) {
	var taken []token
	release = func() {
		for _, t := range taken {
			t.give()
		}
	}
	for _, i := range nodes {
		if i < 0 || i >= s.size() {
			return release, usagef("", "there is no node %d: this testnet has the nodes 0 to %d",
				i, s.size()-1)
		}
		if err := s.take(ctx, s.turn[i]); err != nil {
			return release, err
		}
		taken = append(taken, s.turn[i])
	}
	return release, nil
}

func wantAlive(n *NodeState) error {
	if n.Process.Alive() {
		return nil
	}
	return failf(fmt.Sprintf("start it with: byzd testnet restart %d", n.Node),
		"node %d does not run (%s)", n.Node, n.Describe())
}

func wantRunning(n *NodeState) error {
	if n.Process == Paused {
		return failf("", "node %d is paused already", n.Node)
	}
	return wantAlive(n)
}

func wantPaused(n *NodeState) error {
	if n.Process == Running {
		return failf("", "node %d is not paused: it runs", n.Node)
	}
	return wantAlive(n)
}

// wantHome is for what is to be started: a node that runs is not stopped for nothing.
func wantHome(n *NodeState) error {
	for _, path := range nodeFiles(n) {
		if _, err := os.Stat(path); err != nil {
			return failf("put it back from a copy; without it the node is lost, and the others "+
				"have to go on without it", "node %d cannot be started: %s is missing", n.Node,
				path)
		}
	}
	return nil
}

// kill sends SIGKILL, to all at once, and returns when the processes have ended.
func (s *supervisor) kill(ctx context.Context, nodes []int) error {
	var killed []*child
	err := s.each(ctx, nodes, wantAlive, func(ctx context.Context, i int, c *child) error {
		if c == nil {
			return nil // it ended just now
		}
		s.lastLook(ctx, i)
		s.log.printf("kill node %d", i)
		killed = append(killed, c)
		if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("kill node %d: %w", i, err)
		}
		return nil
	})
	for _, c := range killed {
		<-c.gone // SIGKILL cannot be declined
	}
	return err
}

// killNow sends SIGKILL without the nodes' turns, which whoever starts one of them has.
func (s *supervisor) killNow(nodes []int) error {
	var alive []*child
	for _, i := range nodes {
		if i < 0 || i >= s.size() {
			return usagef("", "there is no node %d: this testnet has the nodes 0 to %d",
				i, s.size()-1)
		}
		n, c := s.node(i)
		if err := wantAlive(&n); err != nil {
			return err
		}
		if c != nil {
			alive = append(alive, c)
		}
	}
	for _, c := range alive {
		s.log.printf("kill process %d at once", c.cmd.Process.Pid)
		if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("kill process %d: %w", c.cmd.Process.Pid, err)
		}
	}
	for _, c := range alive {
		<-c.gone // SIGKILL cannot be declined
	}
	return nil
}

// pause sends SIGSTOP and returns when the processes stand still.
func (s *supervisor) pause(ctx context.Context, nodes []int) error {
	return s.each(ctx, nodes, wantRunning, func(ctx context.Context, i int, c *child) error {
		s.lastLook(ctx, i)
		if err := s.signal(i, c, syscall.SIGSTOP); err != nil {
			return err
		}
		poll := time.NewTicker(pollTime)
		defer poll.Stop()
		for {
			if _, still, alive := inspect(c.cmd.Process.Pid); still || !alive {
				break
			}
			select {
			case <-c.gone:
				return s.died(i, c)
			case <-ctx.Done():
				s.forgetLast(i)
				return fmt.Errorf("pause node %d: %w", i, ctx.Err())
			case <-poll.C:
			}
		}
		return s.change(func(st *State) {
			if st.Nodes[i].Process == Running {
				st.Nodes[i].Process, st.Nodes[i].Last = Paused, s.runtime[i].last
			}
		})
	})
}

// resume sends SIGCONT, and tells the nodes what has changed meanwhile.
func (s *supervisor) resume(ctx context.Context, nodes []int) error {
	return s.each(ctx, nodes, wantPaused, func(ctx context.Context, i int, c *child) error {
		if err := s.signal(i, c, syscall.SIGCONT); err != nil {
			return err
		}
		err := s.change(func(st *State) {
			if st.Nodes[i].Process == Paused {
				st.Nodes[i].Process, st.Nodes[i].Last, s.runtime[i].last = Running, nil, nil
			}
		})
		if err != nil {
			return err
		}
		return s.inform(ctx, i)
	})
}

func (s *supervisor) signal(i int, c *child, sig syscall.Signal) error {
	if c == nil {
		return failf("", "node %d has ended meanwhile", i)
	}
	s.log.printf("send node %d %v", i, sig)
	if err := c.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("send node %d %v: %w", i, sig, err)
	}
	return nil
}

// restart starts nodes, one after the other; those that run are stopped first. It returns when they
// listen.
func (s *supervisor) restart(ctx context.Context, nodes []int) error {
	return s.each(ctx, nodes, wantHome, func(ctx context.Context, i int, c *child) error {
		ctx, cancel := context.WithTimeout(ctx, listenTime)
		defer cancel()
		if c != nil {
			s.stopNode(i)
		}
		return s.startNode(ctx, i)
	})
}

// terminate stops nodes, one after the other, and returns when their processes have ended.
func (s *supervisor) terminate(ctx context.Context, nodes []int) error {
	return s.each(ctx, nodes, wantAlive, func(_ context.Context, i int, _ *child) error {
		s.log.printf("stop node %d", i)
		s.stopNode(i)
		return nil
	})
}

// setQuota bounds what the disks of running nodes take.
func (s *supervisor) setQuota(ctx context.Context, nodes []int, bytes int64) error {
	return s.each(ctx, nodes, wantRunning, func(ctx context.Context, i int, _ *child) error {
		n, _ := s.node(i)
		s.log.printf("disk quota of node %d: %d bytes", i, bytes)
		err := put(ctx, n.Operator+"/testnet/disk", map[string]any{"quota": bytes})
		if err != nil {
			return fmt.Errorf("tell node %d its disk quota: %w", i, err)
		}
		return nil
	})
}

// setCuts replaces all cuts.
func (s *supervisor) setCuts(ctx context.Context, cuts [][]int) error {
	if len(cuts) != s.size() {
		return usagef("", "cuts for %d nodes, but the testnet has %d", len(cuts), s.size())
	}
	err := s.change(func(st *State) {
		for i := range st.Nodes {
			st.Nodes[i].Cut = append([]int{}, cuts[i]...)
		}
	})
	if err != nil {
		return err
	}
	s.log.printf("cuts: %v", cuts)
	return s.informAll(ctx)
}
