package testnet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"byzd/daemon/disk"
)

// How long things may take.
const (
	stopTime    = 10 * time.Second      // from SIGTERM to SIGKILL
	listenTime  = 30 * time.Second      // from a restart until the node listens
	pushTime    = 5 * time.Second       // a request to a node
	pollTime    = 20 * time.Millisecond // between two looks at what cannot be waited for
	closingTime = 5 * time.Second       // for requests under way when the supervisor ends
)

// supervisor owns the processes of a testnet. Its methods may be called from any goroutine.
type supervisor struct {
	home, binary        string
	logLevel, logFormat string
	groups              uint32 // see Options.Groups
	disk                disk.Disk
	unlock              func() error
	log                 *eventLog
	launch              *launcher
	server              *http.Server
	again               bool // it is a stopped testnet that is started once more

	// turn[i] is held by whoever starts, stops or signals node i; tell[i] by whoever tells it its
	// cuts or its lies. Where both are taken, turn comes first; several are taken in ascending
	// order.
	turn, tell []token

	mu       sync.Mutex // guards what follows; held for the time of a write to disk at most
	state    *State
	children []*child // nil where no process runs
	runtime  []liveness
	ids      []string // see identities

	quitOnce            sync.Once
	quit, stopped, done chan struct{} // told to stop; nodes have stopped; everything has ended
}

// liveness is what a supervisor knows of a process beyond what testnet.json says.
type liveness struct {
	listening bool
	told      []string // the lies that it was given
	cut       []int    // whom it was told not to reach
	weather   []Weather
	armed     int // how often it was told other lies than at its start
	// fired is how often it says it told them.
	fired map[string]uint64
	// last is what it said before it was told to end or to stand still.
	last *Last
}

// token is a lock that one can stop waiting for.
type token chan struct{}

func newTokens(n int) []token {
	list := make([]token, n)
	for i := range list {
		list[i] = make(token, 1)
	}
	return list
}

var errStopping = errors.New("the testnet is being stopped")

// take waits for a token, as long as the supervisor is not told to stop.
func (s *supervisor) take(ctx context.Context, t token) error {
	select {
	case <-s.quit:
		return errStopping
	case <-ctx.Done():
		return fmt.Errorf("wait for an earlier command: %w", ctx.Err())
	case t <- struct{}{}:
	}
	select {
	case <-s.quit: // stopNodes has been there, or comes next; a node must not start behind it
		t.give()
		return errStopping
	default:
		return nil
	}
}

func (t token) give() { <-t }

// newSupervisor takes the home, prepares it, and serves the control interface. No node runs yet.
func newSupervisor(ctx context.Context, o *Options) (s *supervisor, err error) {
	d, unlock, err := openHome(o.Home)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unlock())
		}
	}()
	state, err := o.prepare(d)
	if err != nil {
		return nil, err
	}
	log, err := openEventLog(filepath.Join(o.Home, logName))
	if err != nil {
		return nil, err
	}
	s = &supervisor{
		home: o.Home, binary: o.Binary, logLevel: o.LogLevel, logFormat: o.LogFormat,
		groups: o.Groups,
		disk:   d, unlock: unlock, log: log, launch: newLauncher(), state: state,
		// As many as there may ever be: nodes are added while others are worked with.
		turn: newTokens(maxNodes), tell: newTokens(maxNodes),
		children: make([]*child, maxNodes), runtime: make([]liveness, maxNodes),
		again: slices.ContainsFunc(state.Nodes, func(n NodeState) bool { return n.Process != New }),
		quit:  make(chan struct{}), stopped: make(chan struct{}), done: make(chan struct{}),
	}
	if err := s.serve(ctx); err != nil {
		s.launch.close()
		return nil, errors.Join(err, log.close())
	}
	go s.run() //nolint:gosec // it outlives whoever started it
	return s, nil
}

// prepare makes the home of a new testnet, or readies the state of a stopped one. The home is
// locked, so nobody else can change it now.
func (o *Options) prepare(d disk.Disk) (*State, error) {
	state, err := o.plan()
	if err != nil {
		return nil, err
	}
	if state == nil {
		if state, err = o.anew(d); err != nil {
			return nil, err
		}
	}
	state.PortBase = o.PortBase
	lies := byNode(o.Traitors)
	for i := range state.Nodes {
		n := &state.Nodes[i]
		n.PID, n.Started, n.Cut, n.Weather = 0, "", []int{}, nil
		n.setLies(lies[i])
	}
	return state, nil
}

// anew wipes a home as far as it is a testnet's, and makes a new one there.
func (o *Options) anew(d disk.Disk) (*State, error) {
	if err := wipe(o.Home); err != nil {
		return nil, err
	}
	return o.create(d)
}

// setLies says what the node is to tell from now on, and remembers it for good.
func (n *NodeState) setLies(specs []string) {
	n.Lying = append([]string{}, specs...)
	if n.Traitors == nil {
		n.Traitors = []string{}
	}
	if n.Fired == nil {
		n.Fired = map[string]uint64{}
	}
	for _, spec := range specs {
		if !slices.Contains(n.Traitors, spec) {
			n.Traitors = append(n.Traitors, spec)
		}
	}
}

// stop tells the supervisor to end. It does not wait.
func (s *supervisor) stop() { s.quitOnce.Do(func() { close(s.quit) }) }

// run waits for the order to stop, and ends everything in this order: nodes, state file, control
// interface, the thread that holds the nodes, lock.
func (s *supervisor) run() {
	defer close(s.done)
	var counting sync.WaitGroup
	counting.Go(s.watchFired)
	<-s.quit
	counting.Wait()
	s.log.printf("stopping")
	s.stopNodes()
	if err := s.change(func(st *State) { st.Supervisor = Supervisor{} }); err != nil {
		s.log.printf("error: %v", err)
	}
	s.log.printf("stopped")
	close(s.stopped)
	ctx, cancel := context.WithTimeout(context.Background(), closingTime)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.log.printf("error: close the control interface: %v", err)
	}
	s.launch.close()
	_ = s.log.close()
	_ = s.unlock()
}

// stopNodes stops all nodes at once, and keeps their turns for good.
func (s *supervisor) stopNodes() {
	var wg sync.WaitGroup
	for i := range s.size() {
		wg.Go(func() {
			s.turn[i] <- struct{}{}
			s.stopNode(i)
		})
	}
	wg.Wait()
}

// change changes the state and writes testnet.json.
func (s *supervisor) change(f func(*State)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.state)
	if err := s.state.save(s.disk); err != nil {
		return fmt.Errorf("write the testnet's state: %w", err)
	}
	return nil
}

// size is the number of nodes.
func (s *supervisor) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.state.Nodes)
}

// node returns a copy of what is known of a node, and its process or nil.
func (s *supervisor) node(i int) (NodeState, *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Nodes[i], s.children[i]
}

// until is ctx, ended also when the supervisor is told to stop.
func (s *supervisor) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.quit:
			cancel(errStopping)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// stampForm is RFC 3339 with milliseconds: all stamps are as wide, so that the lines align.
const stampForm = "2006-01-02T15:04:05.000Z07:00"

// eventLog is supervisor.log: a line for everything that happened to a node.
type eventLog struct {
	mu   sync.Mutex
	file *os.File
}

func openEventLog(path string) (*eventLog, error) {
	f, err := openLog(path)
	if err != nil {
		return nil, err
	}
	return &eventLog{file: f}, nil
}

func (l *eventLog) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A log on a full disk is no reason to stop.
	_, _ = fmt.Fprintf(l.file, "%s %s\n", time.Now().Format(stampForm),
		fmt.Sprintf(format, args...))
}

func (l *eventLog) close() error { return l.file.Close() }
