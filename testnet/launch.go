package testnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"byzd/daemon/config"
)

// startNode starts node i and returns when it listens and knows what has changed of its cuts and
// lies since. Whoever calls it has the node's turn.
func (s *supervisor) startNode(ctx context.Context, i int) error {
	c, a, err := s.launchNode(ctx, i)
	if err != nil {
		return err
	}
	err = s.change(func(st *State) {
		if s.children[i] != c {
			return // it ended just now
		}
		n := &st.Nodes[i]
		n.Listen, n.Gossip, n.Client, n.Operator = a.Listen, a.Gossip, a.Client, a.Operator
		s.runtime[i].listening = true
	})
	if err != nil {
		return err
	}
	s.log.printf("node %d listens, gossip %s, client %s, operator %s",
		i, a.Gossip, a.Client, a.Operator)
	return s.inform(ctx, i)
}

// launchNode starts the process of node i where it was before, and returns when it listens. If
// somebody was faster and has one of its old ports, it is started once more, with new ones.
func (s *supervisor) launchNode(ctx context.Context, i int) (*child, config.Addresses, error) {
	c, err := s.spawn(i, s.ports(i))
	if err != nil {
		return nil, config.Addresses{}, err
	}
	a, err := s.listens(ctx, i, c)
	if err == nil || s.portBase() != 0 || !c.portTaken(s.nodeLog(i)) {
		return c, a, err
	}
	s.log.printf("node %d: %v; it gets new ports", i, err)
	if c, err = s.spawn(i, ports{}); err != nil {
		return nil, config.Addresses{}, err
	}
	a, err = s.listens(ctx, i, c)
	return c, a, err
}

// spawn starts the process of node i, on these ports.
func (s *supervisor) spawn(i int, on ports) (*child, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &s.state.Nodes[i]
	// What an earlier process wrote there must not be taken for what the new one will.
	if err := config.Home(n.Home).RemoveAddresses(); err != nil {
		return nil, fmt.Errorf("start node %d: %w", i, err)
	}
	cmd, log, err := command(s.binary, n.Home, s.arguments(i, on), environment(), s.group(i))
	if err != nil {
		return nil, fmt.Errorf("start node %d: %w", i, err)
	}
	from, err := log.Seek(0, io.SeekEnd)
	if err == nil {
		err = s.launch.start(cmd)
	}
	if err = errors.Join(err, log.Close()); err != nil {
		return nil, fmt.Errorf("start node %d: %w", i, err)
	}
	started, _, _ := inspect(cmd.Process.Pid) // it cannot be another's number before Wait
	c := &child{cmd: cmd, started: started, logFrom: from, gone: make(chan struct{})}
	s.children[i] = c
	s.runtime[i] = liveness{told: s.specs(i), cut: slices.Clone(n.Cut)}
	n.PID, n.Started = cmd.Process.Pid, started
	n.forgetAddresses(on)
	n.Process, n.ExitCode, n.Signal, n.Last = Running, nil, 0, nil
	err = s.state.save(s.disk)
	go s.reap(i, c)
	s.log.printf("node %d started, process %d: %s", i, n.PID, strings.Join(cmd.Args, " "))
	if err != nil {
		err = fmt.Errorf("write the testnet's state: %w", err)
		return nil, errors.Join(err, cmd.Process.Kill())
	}
	return c, nil
}

// group is the group that the process of node i runs in, 0 for that of its parent.
func (s *supervisor) group(i int) uint32 {
	if s.groups == 0 {
		return 0
	}
	return s.groups + uint32(i) //nolint:gosec // a number of a node
}

// arguments are the command line of node i. It is told one address to join at.
func (s *supervisor) arguments(i int, on ports) []string {
	n := &s.state.Nodes[i]
	args := []string{"run", "--home", n.Home}
	for k, flag := range []string{"--listen", "--gossip", "--client", "--operator"} {
		args = append(args, flag, net.JoinHostPort("127.0.0.1", strconv.Itoa(on[k])))
	}
	if contact := s.contact(i); contact != "" {
		args = append(args, "--join", contact)
	}
	for _, spec := range s.specs(i) {
		args = append(args, "--traitor", spec)
	}
	cut := s.state.Nodes[i].Cut
	if len(cut) > 0 {
		args = append(args, "--cut", plusNodes(cut))
	}
	if ids := s.identities(); len(ids) > 0 && len(cut)+len(s.specs(i)) > 0 {
		args = append(args, "--nodes", strings.Join(ids, "+"))
	}
	if s.logLevel != "" {
		args = append(args, "--log-level", s.logLevel)
	}
	if s.logFormat != "" {
		args = append(args, "--log-format", s.logFormat)
	}
	return args
}

// contact returns the gossip address that node i is told: of a node that runs, and, as far as
// there is a choice, is not paused, not cut off from i, and no traitor. If none runs it is where
// one was, and will be when it is started: nodes that are started at the same time must find each
// other, too, and a node tries again for as long as it knows nobody. It is empty if there is no
// such place.
func (s *supervisor) contact(i int) string {
	best, least := "", 1<<10
	for j := range s.state.Nodes {
		n := &s.state.Nodes[j]
		if j == i || n.Gossip == "" {
			continue
		}
		cost := 0
		if !n.Process.Alive() || !s.runtime[j].listening {
			cost += 16
		}
		if n.Process == Paused {
			cost += 8
		}
		if s.state.cut(i, j) || s.state.cut(j, i) {
			cost += 4
		}
		if n.Traitor() {
			cost += 2
		}
		if cost < least {
			best, least = n.Gossip, cost
		}
	}
	return best
}

// reap waits for the end of a process, which nobody else does.
func (s *supervisor) reap(i int, c *child) {
	_ = c.cmd.Wait() // how it ended is in ProcessState
	var how string
	err := s.change(func(st *State) {
		n := &st.Nodes[i]
		n.PID, n.Started = 0, ""
		n.Process, n.ExitCode, n.Signal = ended(c.cmd.ProcessState)
		n.Last = s.runtime[i].last
		how = n.Describe()
		s.children[i], s.runtime[i] = nil, liveness{}
	})
	s.log.printf("node %d %s", i, how)
	if err != nil {
		s.log.printf("error: %v", err)
	}
	close(c.gone)
}

// stopNode stops node i, if it runs: first with SIGTERM, then without asking. Whoever calls it has
// the node's turn.
func (s *supervisor) stopNode(i int) {
	_, c := s.node(i)
	if c == nil {
		return
	}
	s.lastLook(context.Background(), i)
	// A paused process takes SIGTERM only when it is resumed. An error says that it has ended.
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Process.Signal(syscall.SIGCONT)
	limit := time.NewTimer(stopTime)
	defer limit.Stop()
	select {
	case <-c.gone:
	case <-limit.C:
		s.log.printf("node %d does not end within %v of SIGTERM", i, stopTime)
		_ = c.cmd.Process.Kill()
		<-c.gone
	}
}

// listens waits until the process says where it listens.
func (s *supervisor) listens(ctx context.Context, i int, c *child) (config.Addresses, error) {
	n, _ := s.node(i)
	poll := time.NewTicker(pollTime)
	defer poll.Stop()
	for {
		if a, err := config.Home(n.Home).ReadAddresses(); err == nil && a.PID == c.cmd.Process.Pid {
			return a, nil
		}
		select {
		case <-c.gone:
			return config.Addresses{}, s.died(i, c)
		case <-ctx.Done():
			return config.Addresses{}, &Error{
				Kind:   NotReady,
				Err:    fmt.Errorf("node %d does not listen: %w", i, context.Cause(ctx)),
				Advice: "its log may say why: " + filepath.Join(n.Home, nodeLogName),
			}
		case <-poll.C:
		}
	}
}

// died says that a process has ended that should not have, in its own words.
func (s *supervisor) died(i int, c *child) error {
	log := s.nodeLog(i)
	how, _, _ := ended(c.cmd.ProcessState)
	what := fmt.Sprintf("%s (%v)", how, c.cmd.ProcessState)
	words, hint := lastWords(log, c.logFrom)
	if words != "" {
		what += ": " + words
	}
	switch base := s.portBase(); {
	case base != 0 && sayInUse(words):
		hint = "choose another --port-base, or end what listens there"
	case hint == "":
		hint = "its log may say more"
	}
	return failf(hint+" (log: "+log+")", "node %d has %s", i, what)
}

// lastWordsBytes is how much of the end of a log is searched for an error.
const lastWordsBytes = 8 << 10

// lastWords returns the last error that a node wrote to its log behind the offset from, and its
// hint; without an error, its last line.
func lastWords(path string, from int64) (words, hint string) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return "", ""
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", ""
	}
	from = max(from, info.Size()-lastWordsBytes)
	text, err := io.ReadAll(io.NewSectionReader(f, from, lastWordsBytes))
	if err != nil {
		return "", ""
	}
	last, failed := "", ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if what, ok := strings.CutPrefix(line, "byzd: error: "); ok {
			failed, hint = what, ""
		} else if what, ok := strings.CutPrefix(line, "byzd: hint: "); ok {
			hint = what
		} else if line != "" {
			last = line
		}
	}
	if failed != "" {
		return failed, hint
	}
	return last, hint
}
