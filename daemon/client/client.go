package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"byzd/crypto"
	"byzd/daemon/api/byzdpb"
	"byzd/daemon/genesis"
	"byzd/daemon/kv"
	"byzd/pbft"
	"byzd/pbft/message"
)

// Client talks to a cluster as one key. Its methods may be called from any goroutine; up to
// [pbft.ClientWindow] operations of one key are under way at once, others wait.
type Client struct {
	key     crypto.NetworkKey
	genesis *genesis.Genesis
	first   *message.Config                // the epoch of the genesis
	epoch   atomic.Pointer[message.Config] // the newest that was proved, see follow
	ledger  *ledger
	refresh func() []string
	closing chan struct{}
	once    sync.Once
	closed  error

	mu      sync.Mutex
	given   []string
	advice  map[string]map[uint32]string // by the endpoint that gives it, by member
	links   map[string]*link
	ranking []*link // in the order in which they are preferred, all else equal
	calls   map[placeKey]*call
	notes   map[string]string // the last trouble by endpoint
	changed chan struct{}     // closed and replaced when a link starts to listen
}

// Open prepares a client and starts to connect. It returns without waiting for connections, except
// that without a genesis it asks the endpoints for theirs; see [ErrGenesisChanged],
// [ErrGenesisDiffers] and [ErrUnreachable].
func Open(ctx context.Context, o Options) (*Client, error) {
	endpoints := slices.Compact(slices.Clone(o.Endpoints))
	if len(endpoints) == 0 {
		return nil, &adviceError{errors.New("no endpoints are given"), "name some with --endpoints"}
	}
	for _, endpoint := range endpoints {
		if _, err := target(endpoint); err != nil {
			return nil, err
		}
	}
	if (o.KeyPath == "") == (o.Key == nil) {
		return nil, errors.New("a client needs a key or the path of one, and not both")
	}
	c := &Client{
		given: endpoints, refresh: o.Refresh,
		closing: make(chan struct{}), changed: make(chan struct{}),
		advice: map[string]map[uint32]string{}, links: map[string]*link{},
		calls: map[placeKey]*call{}, notes: map[string]string{},
	}
	if err := c.prepare(ctx, &o); err != nil {
		return nil, err
	}
	if err := c.relink(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// prepare finds the key, the genesis and the session's book.
func (c *Client) prepare(ctx context.Context, o *Options) (err error) {
	if o.Key != nil {
		c.key = *o.Key
	} else {
		var seed [crypto.SeedSize]byte
		if seed, err = LoadSeed(o.KeyPath); err != nil {
			return err
		}
		c.key = crypto.NewNetworkKey(seed)
	}
	if c.genesis, err = trust(ctx, o); err != nil {
		return err
	}
	if c.first, err = c.genesis.Config(); err != nil {
		return fmt.Errorf("the genesis: %w", err)
	}
	c.epoch.Store(c.first)
	if o.Key != nil {
		c.ledger = &ledger{shelf: newMemory()}
		return nil
	}
	shelf, err := openFiles(o.KeyPath, c.key.ID(), c.epoch.Load().Cluster)
	if err != nil {
		return err
	}
	c.ledger = &ledger{shelf: shelf}
	return nil
}

// Genesis returns the genesis that the client trusts.
func (c *Client) Genesis() *genesis.Genesis { return c.genesis }

// ID returns the client's public key.
func (c *Client) ID() crypto.NodeID { return c.key.ID() }

// Close ends the connections and gives the session's places back. Operations under way end with
// [ErrClosed]; those that write are [ErrUnknown]. No goroutine is left behind.
func (c *Client) Close() error {
	c.once.Do(func() {
		close(c.closing)
		c.mu.Lock()
		links := c.links
		c.links, c.given, c.ranking = nil, nil, nil
		c.mu.Unlock()
		for _, l := range links {
			c.closed = errors.Join(c.closed, l.close())
		}
		c.closed = errors.Join(c.closed, c.ledger.close())
	})
	return c.closed
}

// reread asks for the endpoints again: nodes that were started anew may be elsewhere.
func (c *Client) reread() {
	if c.refresh == nil {
		return
	}
	given := slices.DeleteFunc(slices.Clone(c.refresh()), func(endpoint string) bool {
		_, err := target(endpoint)
		return err != nil
	})
	if len(given) == 0 {
		return
	}
	if err := c.relinkTo(given); err != nil {
		c.note(given[0], err)
	}
}

// relink opens and closes links so that there is one to each endpoint that was given or advised.
func (c *Client) relink() error { return c.relinkTo(nil) }

// relinkTo is relink with other given endpoints, if there are some. Links to those that are given
// no more are closed here at once, even if they are advised: they ask for advice and call relink,
// which must not come to wait for its own caller.
func (c *Client) relinkTo(given []string) error {
	c.mu.Lock()
	var stale []*link
	if given != nil && c.links != nil {
		c.given = given
		stale = c.removeLocked(func(l *link) bool {
			return l.given && !slices.Contains(given, l.endpoint)
		})
	}
	wanted := c.wantedLocked()
	var failed error
	for _, endpoint := range wanted {
		if c.links[endpoint] != nil {
			continue
		}
		l, err := c.openLink(endpoint, slices.Contains(c.given, endpoint))
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		c.links[endpoint] = l
		c.ranking = append(c.ranking, l)
	}
	stale = append(stale, c.removeLocked(func(l *link) bool {
		return !slices.Contains(wanted, l.endpoint)
	})...)
	c.mu.Unlock()
	for _, l := range stale {
		failed = errors.Join(failed, l.close())
	}
	return failed
}

// removeLocked forgets links, which the caller then closes without the lock.
func (c *Client) removeLocked(is func(*link) bool) (removed []*link) {
	for endpoint, l := range c.links {
		if is(l) {
			removed = append(removed, l)
			delete(c.links, endpoint)
			delete(c.notes, endpoint)
		}
	}
	c.ranking = slices.DeleteFunc(c.ranking, func(l *link) bool {
		return slices.Contains(removed, l)
	})
	return removed
}

// wantedLocked lists the endpoints, given ones first. After Close there are none.
func (c *Client) wantedLocked() []string {
	wanted := slices.Clone(c.given)
	for _, by := range c.given {
		for i := range c.epoch.Load().Members {
			endpoint := c.advice[by][uint32(i)]
			if endpoint != "" && !slices.Contains(wanted, endpoint) {
				wanted = append(wanted, endpoint)
			}
		}
	}
	return wanted
}

// advised takes a node's word on where the members are: one address for each of them. Only nodes
// that were given are asked, so what a liar can make this client dial is bounded.
func (c *Client) advised(by string, response *byzdpb.MembersResponse) {
	advice := map[uint32]string{}
	members := len(c.epoch.Load().Members)
	for _, m := range response.GetMembers() {
		if _, err := target(m.GetClient()); err == nil && int(m.GetIndex()) < members {
			advice[m.GetIndex()] = m.GetClient()
		}
	}
	if int(response.GetSelf()) < members {
		delete(advice, response.GetSelf()) // It is reached already, under the name that was given.
	}
	c.mu.Lock()
	c.advice[by] = advice
	c.mu.Unlock()
	if err := c.relink(); err != nil {
		c.note(by, err)
	}
}

// note keeps the last trouble with an endpoint, for the error of a request that gets no answer.
func (c *Client) note(endpoint string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.links[endpoint] != nil {
		c.notes[endpoint] = brief(err)
	}
}

// wake tells those who wait that a link listens now.
func (c *Client) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// Do has an operation agreed upon and executed, and returns what f+1 members have signed. Results
// whose code is not kv.CodeOK are results: nothing was changed. Errors: [ErrUnknown],
// [ErrNoAnswer], the context's; an operation that is too large, or malformed, is refused at once.
func (c *Client) Do(ctx context.Context, op kv.Op) (kv.Result, error) {
	encoded, err := kv.Encode(op)
	if err != nil {
		return kv.Result{}, err
	}
	if len(encoded) > c.epoch.Load().MaxOp() {
		return kv.Result{}, fmt.Errorf("%w: operation of %d bytes, this cluster orders up to %d",
			kv.ErrTooLarge, len(encoded), c.epoch.Load().MaxOp())
	}
	for write := !readsOnly(op); ; {
		reply, err := c.submit(ctx, encoded, write)
		if err != nil {
			return kv.Result{}, err
		}
		switch outcome := pbft.Outcome(reply.Outcome); {
		case outcome == pbft.Run:
			return kv.DecodeResult(reply.Result)
		case outcome == pbft.NoSession && !write:
			// The session died; reading again does no harm.
		default:
			return kv.Result{}, &unknownError{reasonOf(outcome)}
		}
	}
}

// reasonOf says why members agree that a request does not run, which is not that it has not run.
func reasonOf(outcome pbft.Outcome) string {
	switch outcome {
	case pbft.NoSession:
		return "the session ended, perhaps because another computer uses the same key"
	case pbft.Stale, pbft.OutOfRange, pbft.Malformed:
		return fmt.Sprintf("the place of the request was used otherwise (%v); is the key in use "+
			"on another computer?", outcome)
	default:
		return "members agree on an outcome that makes no sense: " + outcome.String()
	}
}

// readsOnly reports whether an operation changes nothing, so that it may run twice.
func readsOnly(op kv.Op) bool {
	switch op := op.(type) {
	case kv.Range:
		return true
	case kv.Txn:
		return !slices.ContainsFunc(slices.Concat(op.Success, op.Failure), func(one kv.Op) bool {
			return !readsOnly(one)
		})
	case kv.Put, kv.DeleteRange, kv.CompareAndSwap, kv.Transfer:
		return false
	}
	return false
}
