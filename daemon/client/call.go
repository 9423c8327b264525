package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"byzd/crypto"
	"byzd/daemon/api/byzdpb"
	"byzd/pbft"
	"byzd/pbft/message"
)

const (
	// listenersPatience is how long a request waits until f+1 nodes are connected, whose replies it
	// would miss otherwise and had to ask for again.
	listenersPatience = 300 * time.Millisecond
	// silence is how long one node is trusted to do what it was asked. Pauses between further tries
	// are random below a bound that doubles from backoffLeast to backoffMost.
	silence      = 200 * time.Millisecond
	backoffLeast = 200 * time.Millisecond
	backoffMost  = 8 * time.Second
	// rereadPause is how long a request waits before the endpoints are asked for again.
	rereadPause = time.Second
	// shortestPause keeps full jitter from meaning no pause at all.
	shortestPause = 20 * time.Millisecond
	// variantsMax bounds the different answers that are counted of one member to one request. A
	// correct member has several only if a request was refused more than once.
	variantsMax = 8
)

// placeKey finds the call that a reply belongs to. A REGISTER has session 0 and its nonce.
type placeKey struct{ session, seq uint64 }

// call is a request under way. The client's mutex guards what changes.
type call struct {
	key      placeKey
	raw      []byte
	need     int
	tally    map[crypto.Digest]map[int]bool // members by what they say
	variants map[int]int
	done     chan *message.Reply // has room for one
	decided  bool

	tried    map[*link]bool
	refusals []string      // the last of each node
	refused  int           // how often
	hurry    chan struct{} // has room for one: the node that was asked will not do it
}

// submit sends one operation under a place of its own.
func (c *Client) submit(ctx context.Context, op []byte, write bool) (*message.Reply, error) {
	for {
		t, err := c.ledger.take(ctx)
		if errors.Is(err, errNoSession) {
			if err = c.ledger.establish(ctx, c.register); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		reply, err := c.exchange(ctx, &message.ClientRequest{
			Session: t.session, Seq: t.seq, Ack: t.ack, Op: op,
		}, write)
		c.ledger.release(t)
		if err == nil && pbft.Outcome(reply.Outcome) == pbft.NoSession {
			err = c.ledger.drop(ctx, t.session)
		}
		return reply, err
	}
}

// register makes a session. A member that has no room for one is left for another.
func (c *Client) register(ctx context.Context, nonce uint64) (uint64, error) {
	for tries := 0; ; tries++ {
		reply, err := c.exchange(ctx, &message.ClientRequest{Seq: nonce}, false)
		if err != nil {
			return 0, err
		}
		switch outcome := pbft.Outcome(reply.Outcome); {
		case outcome == pbft.Registered:
			return reply.Session, nil
		case outcome == pbft.Full && tries <= len(c.epoch.Load().Members):
			c.avoidFirst()
		case outcome == pbft.Full:
			return 0, errors.New("no member has room for another client's session")
		default:
			return 0, &adviceError{
				errors.New("a newer session of this key exists"),
				"is the key in use on another computer, or was this clock set back? " +
					"Use another key",
			}
		}
	}
}

// exchange signs a request, sends it until f+1 members have answered alike, and returns that
// answer.
func (c *Client) exchange(
	ctx context.Context, req *message.ClientRequest, write bool,
) (*message.Reply, error) {
	message.SealClientRequest(c.epoch.Load().RequestDomain(), c.key, req)
	k := &call{
		key: placeKey{req.Session, req.Seq}, raw: message.EncodeClientRequest(req),
		need: c.epoch.Load().Sizes.Weak, tally: map[crypto.Digest]map[int]bool{},
		variants: map[int]int{},
		done:     make(chan *message.Reply, 1), hurry: make(chan struct{}, 1),
		tried: map[*link]bool{},
	}
	c.mu.Lock()
	c.calls[k.key] = k
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.calls, k.key)
		c.mu.Unlock()
	}()
	reply, cause := c.pursue(ctx, k)
	if cause != nil {
		return nil, c.noAnswer(k, write, cause)
	}
	return reply, nil
}

// pursue sends to one node, then to f+1 others, then to all, with growing pauses, until there is an
// answer or no more time.
func (c *Client) pursue(ctx context.Context, k *call) (*message.Reply, error) {
	c.awaitListeners(ctx, k)
	var first *link
	read := time.Now()
	for round := 0; ; {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		sent := c.send(k, c.pick(k, round))
		pause := rereadPause // nobody to send to: until somebody connects
		if len(sent) > 0 {
			if first == nil {
				first = sent[0]
			}
			pause, changed = pauseAfter(round), nil
			round++
		}
		timer := time.NewTimer(pause)
		reply, err := c.await(ctx, k, timer.C, changed)
		timer.Stop()
		if reply != nil && first != nil {
			first.strike(round > 1)
		}
		if reply != nil || err != nil {
			return reply, err
		}
		if time.Since(read) >= rereadPause {
			c.reread()
			read = time.Now()
		}
	}
}

// await returns an answer, an error that ends the call, or neither when it is time to send again.
func (c *Client) await(
	ctx context.Context, k *call, pause <-chan time.Time, changed <-chan struct{},
) (*message.Reply, error) {
	select {
	case reply := <-k.done:
		return reply, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.closing:
		return nil, ErrClosed
	case <-pause:
	case <-changed:
	case <-k.hurry:
	}
	return nil, nil //nolint:nilnil // time to send again is neither
}

// pauseAfter is how long a round of sending waits for answers: first the patience with one node,
// then full jitter.
func pauseAfter(round int) time.Duration {
	if round == 0 {
		return silence + rand.N(silence) //nolint:gosec // jitter is no secret
	}
	bound := backoffMost
	if round < 16 {
		bound = min(backoffMost, backoffLeast<<(round-1))
	}
	return max(shortestPause, rand.N(bound)) //nolint:gosec // jitter is no secret
}

// awaitListeners waits a little while for f+1 connections.
func (c *Client) awaitListeners(ctx context.Context, k *call) {
	timer := time.NewTimer(listenersPatience)
	defer timer.Stop()
	for {
		c.mu.Lock()
		changed, count, need := c.changed, c.listeningLocked(), k.need
		c.mu.Unlock()
		if count >= need {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		case <-c.closing:
			return
		}
	}
}

func (c *Client) listeningLocked() int {
	count := 0
	for _, l := range c.links {
		if l.isListening() {
			count++
		}
	}
	return count
}

// pick chooses whom a round goes to: the best node, then f+1 others if there are so many, then all.
func (c *Client) pick(k *call, round int) []*link {
	c.mu.Lock()
	defer c.mu.Unlock()
	var usable []*link
	for _, l := range c.ranking {
		if l.isListening() {
			usable = append(usable, l)
		}
	}
	slices.SortStableFunc(usable, func(a, b *link) int {
		return cmp.Compare(a.struck(), b.struck())
	})
	switch round {
	case 0:
		return usable[:min(1, len(usable))]
	case 1:
		slices.SortStableFunc(usable, func(a, b *link) int {
			return cmp.Compare(number(k.tried[a]), number(k.tried[b]))
		})
		return usable[:min(k.need, len(usable))]
	default:
		return usable
	}
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// send hands the request to links and returns those that took it.
func (c *Client) send(k *call, links []*link) []*link {
	c.mu.Lock()
	defer c.mu.Unlock()
	var sent []*link
	for _, l := range links {
		if l.offer(k.raw) {
			k.tried[l] = true
			sent = append(sent, l)
		}
	}
	return sent
}

// avoidFirst lets the next request go to another node.
func (c *Client) avoidFirst() {
	for _, l := range c.pick(nil, 0) {
		l.strike(true)
	}
}

// receive counts a member's reply if somebody waits for it and the signature holds. True replies
// to other clients count for nothing, although a node may pass them on.
//
// It reports whether the sender may be in another epoch than this client knows: then the reply
// cannot be told from a forged one, and is worth a question.
func (c *Client) receive(raw []byte) (elsewhere bool) {
	p, err := message.DecodeReply(raw)
	if err != nil || p.Client != c.key.ID() || p.Outcome > uint8(pbft.Full) {
		return false
	}
	key := placeKey{p.Session, p.Seq}
	registered := pbft.Outcome(p.Outcome) == pbft.Registered
	if registered {
		key.session = 0
	}
	c.mu.Lock()
	k := c.calls[key]
	wanted := k != nil && !k.decided && k.variants[p.Member] < variantsMax
	c.mu.Unlock()
	if !wanted {
		return false
	}
	now := c.epoch.Load()
	if p.Verify(now) != nil {
		return true
	}
	leaf := p.Leaf()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch.Load() != now {
		return true // f+1 replies of one epoch
	}
	members := k.tally[leaf]
	if members == nil {
		members = map[int]bool{}
		k.tally[leaf] = members
	}
	if k.decided || members[p.Member] {
		return false
	}
	members[p.Member] = true
	k.variants[p.Member]++
	if len(members) >= k.need {
		k.decided = true
		k.done <- p
	}
	return false
}

// refused notes what a node says about a request that it did not take, and goes on at once unless
// the node is busy: then the pause is what it asks for.
func (c *Client) refused(l *link, refusal *byzdpb.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.calls[placeKey{refusal.GetSession(), refusal.GetSeq()}]
	if k == nil || !k.tried[l] {
		return
	}
	k.refused++
	note := l.endpoint + ": "
	said := slices.IndexFunc(k.refusals, func(s string) bool { return strings.HasPrefix(s, note) })
	if note += clip(refusal.GetText()); said >= 0 {
		k.refusals[said] = note // what it says now
	} else {
		k.refusals = append(k.refusals, note)
	}
	if refusal.GetReason() == byzdpb.Reason_REASON_BUSY || k.refused > len(c.epoch.Load().Members) {
		return // Refusals without end are no reason to hurry.
	}
	select {
	case k.hurry <- struct{}{}:
	default:
	}
}

// clip bounds a text that a node has written.
func clip(text string) string {
	const textMax = 200
	if len(text) > textMax {
		text = text[:textMax] + "…"
	}
	return fmt.Sprintf("%+q", text)
}

// noAnswer describes how far a call came.
func (c *Client) noAnswer(k *call, write bool, cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &NoAnswerError{
		Write: write, Registering: k.key.session == 0, Sent: len(k.tried), Need: k.need,
		Listening: c.listeningLocked(), cause: cause,
	}
	for _, members := range k.tally {
		e.Agree = max(e.Agree, len(members))
	}
	e.Notes = append(e.Notes, k.refusals...)
	if len(e.Notes) == 0 && e.Listening < k.need {
		for _, l := range c.ranking {
			if text := c.notes[l.endpoint]; text != "" && !l.isListening() {
				e.Notes = append(e.Notes, l.endpoint+": "+clip(text))
			}
		}
	}
	return e
}
