package testnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Network is a testnet, running or stopped. Its methods may be called from any goroutine; those
// that change something ask the supervisor, so that it does not matter which process they are
// called in.
type Network struct {
	home string
	own  *supervisor // if it lives in this process
}

// orderTime bounds an order other than a restart: a paused or silent node must not hold up others.
const orderTime = 30 * time.Second

// Up makes a testnet, or starts a stopped one again, and returns when every node that is not a
// traitor is ready. If that does not happen in time, or ctx ends first, everything is stopped, and
// the error (an [*Error]) says which node is not ready, why, and where its log is.
//
// Without [Options].Detach the supervisor lives in this process until [Network.Down]; a process
// that ends without it takes the nodes along where the system can do that.
func Up(ctx context.Context, o Options) (*Network, error) {
	if err := o.Prepare(); err != nil {
		return nil, err
	}
	if o.Detach {
		return detach(ctx, &o)
	}
	s, err := newSupervisor(ctx, &o)
	if err != nil {
		return nil, err
	}
	if err := s.bringUp(ctx, o.Wait); err != nil {
		s.stop()
		<-s.done
		return nil, err
	}
	return &Network{home: o.Home, own: s}, nil
}

// Prepare fills in what was left out, a temporary home above all, and refuses what [Up] would
// refuse before it starts anything. Up calls it; who wants to know the home earlier does too.
func (o *Options) Prepare() error {
	temporary := o.Home == ""
	if err := o.complete(); err != nil {
		return err
	}
	_, err := o.plan()
	if err != nil && temporary {
		err = errors.Join(err, os.Remove(o.Home)) // nothing is in it yet
	}
	return err
}

func (o *Options) complete() (err error) {
	if o.Binary == "" {
		if o.Binary, err = os.Executable(); err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
	}
	// The nodes run in directories of their own.
	if o.Binary, err = filepath.Abs(o.Binary); err != nil {
		return fmt.Errorf("find the program of the nodes: %w", err)
	}
	if o.Home == "" {
		if o.Home, err = tempHome(); err != nil {
			return err
		}
	}
	if o.Home, err = filepath.Abs(o.Home); err != nil {
		return fmt.Errorf("find the testnet's home: %w", err)
	}
	if o.Wait == 0 {
		o.Wait = DefaultWait
	}
	return nil
}

// Open finds the testnet in a directory, running or stopped. If there is none, the error matches
// [fs.ErrNotExist].
func Open(home string) (*Network, error) {
	home, err := filepath.Abs(home)
	if err != nil {
		return nil, fmt.Errorf("find the testnet's home: %w", err)
	}
	if _, err := ReadState(home); err != nil {
		return nil, err
	}
	return &Network{home: home}, nil
}

// Home returns the testnet's directory.
func (n *Network) Home() string { return n.home }

// State reads testnet.json.
func (n *Network) State() (*State, error) { return ReadState(n.home) }

// Done is closed when the testnet has ended, however that came about. It is nil, and blocks
// forever, if the supervisor is another process.
func (n *Network) Done() <-chan struct{} {
	if n.own == nil {
		return nil
	}
	return n.own.done
}

// Kill ends nodes with SIGKILL and returns when their processes have ended.
func (n *Network) Kill(ctx context.Context, nodes ...int) error {
	return n.order(ctx, pathKill, order{Nodes: nodes}, orderTime)
}

// KillNow is Kill that waits for nothing that is being done to the nodes: it ends those that are
// just being started, whose Restart fails then. If one does not run, none is killed.
func (n *Network) KillNow(ctx context.Context, nodes ...int) error {
	return n.order(ctx, pathKill, order{Nodes: nodes, Now: true}, orderTime)
}

// Stop ends nodes with SIGTERM, one after the other, and returns when their processes have ended;
// one that does not listen to it within ten seconds is killed.
func (n *Network) Stop(ctx context.Context, nodes ...int) error {
	each := stopTime + pushTime
	return n.order(ctx, pathStop, order{Nodes: nodes}, orderTime+time.Duration(len(nodes))*each)
}

// SetDiskQuota lets the disk of a running node take so many bytes, as if it were full beyond; 0 is
// all that there are. A node that is started again has no quota.
func (n *Network) SetDiskQuota(ctx context.Context, node int, bytes int64) error {
	return n.order(ctx, pathDisk, order{Nodes: []int{node}, Quota: bytes}, orderTime)
}

// Pause stops nodes with SIGSTOP: their processes stay, and do nothing.
func (n *Network) Pause(ctx context.Context, nodes ...int) error {
	return n.order(ctx, pathPause, order{Nodes: nodes}, orderTime)
}

// Resume lets paused nodes go on.
func (n *Network) Resume(ctx context.Context, nodes ...int) error {
	return n.order(ctx, pathResume, order{Nodes: nodes}, orderTime)
}

// Restart starts nodes again, one after the other; those that run are stopped first. It returns
// when they listen, and does not wait until they are ready.
func (n *Network) Restart(ctx context.Context, nodes ...int) error {
	each := stopTime + listenTime + pushTime
	return n.order(ctx, pathRestart, order{Nodes: nodes}, orderTime+time.Duration(len(nodes))*each)
}

// Partition cuts links, see [ParseCuts] for the notation. It replaces the cuts that were made
// before. Frames, gossip and dials do not pass; clients reach every node as before.
func (n *Network) Partition(ctx context.Context, groups string, oneWay ...string) error {
	st, err := n.State()
	if err != nil {
		return err
	}
	cuts, err := ParseCuts(len(st.Nodes), groups, oneWay)
	if err != nil {
		return err
	}
	return n.order(ctx, pathCuts, order{Cuts: cuts}, orderTime)
}

// Heal undoes all cuts, and makes the weather good.
func (n *Network) Heal(ctx context.Context) error {
	st, err := n.State()
	if err != nil {
		return err
	}
	cuts := order{Cuts: make([][]int, len(st.Nodes))}
	good := order{Weather: make([][]Weather, len(st.Nodes))}
	return errors.Join(n.order(ctx, pathCuts, cuts, orderTime),
		n.order(ctx, pathWeather, good, orderTime))
}

// SetTraitor makes a node tell these lies, and no others, from now on; none makes it honest. More
// traitors than the network can bear, those of the past included, are refused unless beyondF.
func (n *Network) SetTraitor(ctx context.Context, node int, specs []string, beyondF bool) error {
	o := order{Nodes: []int{node}, Specs: specs, BeyondF: beyondF}
	return n.order(ctx, pathTraitor, o, orderTime)
}

func (n *Network) order(ctx context.Context, path string, o order, limit time.Duration) error {
	st, err := n.State()
	if err != nil {
		return err
	}
	if !runs(st) {
		return failf("start it with: byzd testnet up --home "+n.home,
			"the testnet in %s does not run", n.home)
	}
	if err := notFrozen(st.Supervisor, n.home); err != nil {
		return err
	}
	return call(ctx, st.Supervisor.URL+path, o, limit)
}

// bringUp starts all nodes and waits until those that are not traitors are ready.
func (s *supervisor) bringUp(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("not within %v", wait))
	defer cancel()
	ctx, release := s.until(ctx)
	defer release()
	if err := s.startAll(ctx); err != nil {
		return s.withRepair(err)
	}
	return s.waitReady(ctx)
}

// withRepair adds to why a stopped testnet does not start what can be done about it: one damaged
// node stops them all.
func (s *supervisor) withRepair(err error) error {
	if !s.again {
		return err
	}
	w := toWire(err)
	const advice = "all nodes are stopped, and the others unharmed: put this one right and start " +
		"the testnet again; --force makes a new one in its place, and wipes all that it holds"
	return &Error{
		Kind: w.Kind, Err: err, Advice: strings.TrimPrefix(w.Hint+"; "+advice, "; "),
	}
}

// startAll starts one node, which the others join at, and then the others. It is an honest one if
// there is one: what a contact that lies can do is not what every testnet is about.
func (s *supervisor) startAll(ctx context.Context) error {
	s.mu.Lock()
	first := max(0, slices.IndexFunc(s.state.Nodes, func(n NodeState) bool {
		return !n.Traitor() && !n.Removed
	}))
	s.mu.Unlock()
	if err := s.startInTurn(ctx, first); err != nil {
		return err
	}
	n := s.size()
	failed := make(chan error, n)
	for i := range n {
		go func() {
			if node, _ := s.node(i); i == first || node.Removed {
				failed <- nil
				return
			}
			failed <- s.startInTurn(ctx, i)
		}()
	}
	var errs []error
	for range n {
		errs = append(errs, <-failed)
	}
	return joined(errs)
}

func (s *supervisor) startInTurn(ctx context.Context, i int) error {
	if err := s.take(ctx, s.turn[i]); err != nil {
		return err
	}
	defer s.turn[i].give()
	return s.startNode(ctx, i)
}
