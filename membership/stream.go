package membership

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/sirupsen/logrus"

	"byzd/crypto"
)

// A stream carries one frame each way: a question and its answer. Before, each side says who it
// claims to be and gives a nonce; both greetings are under the signature of each frame, so a frame
// serves in this one stream only.
//
//	dialler  → acceptor   greeting
//	acceptor → dialler    greeting
//	dialler  → acceptor   length ‖ body ‖ signature
//	acceptor → dialler    length ‖ body ‖ signature

const (
	nonceSize    = 16
	greetingSize = 1 + clusterMark + 2 + 2 + 8 + nonceSize
	// frameMax is never exceeded, however large the genesis.
	frameMax = 1 << 20
	// nobody stands for a peer whom the dialler does not know yet.
	nobody       = 0xffff
	streamDomain = "byzd/swim/1/stream\x00"
)

// greeting opens a stream.
type greeting struct {
	sender, peer uint16
	run          uint64
	nonce        [nonceSize]byte
}

func (f *firewall) greet(peer uint16, run uint64) []byte {
	b := append([]byte{wireVersion}, f.cluster[:clusterMark]...)
	b = binary.BigEndian.AppendUint16(b, f.self)
	b = binary.BigEndian.AppendUint16(b, peer)
	b = binary.BigEndian.AppendUint64(b, run)
	nonce := make([]byte, nonceSize)
	rand.Read(nonce) // It never returns an error.
	return append(b, nonce...)
}

// readGreeting decodes a greeting of greetingSize bytes.
func (f *firewall) readGreeting(b []byte) (greeting, refusal) {
	r := &reader{rest: b}
	if r.uint8() != wireVersion {
		return greeting{}, refusedForeignVersion
	}
	if !bytes.Equal(r.take(clusterMark), f.cluster[:clusterMark]) {
		return greeting{}, refusedForeignCluster
	}
	g := greeting{sender: r.uint16(), peer: r.uint16(), run: r.uint64()}
	copy(g.nonce[:], r.take(nonceSize))
	if int(g.sender) >= len(f.members) {
		return greeting{}, refusedUnknownSender
	}
	return g, accepted
}

// foreign refuses a stream with a node of another cluster by the name of both clusters.
func (t *transport) foreign(c net.Conn, theirs []byte) error {
	var other crypto.Digest
	copy(other[:], theirs[1:][:clusterMark])
	t.tally.add(refusedForeignCluster)
	t.notices.tell(noticeCluster, logrus.Fields{
		"address": c.RemoteAddr().String(), "theirs": other.Short(), "ours": t.cluster.Short(),
	}, "a node of another cluster is there: the genesis files differ")
	return fmt.Errorf("%w: %s is of cluster %s, this node of %s",
		errCluster, c.RemoteAddr(), other.Short(), t.cluster.Short())
}

// frameLimit is the longest body that members of this genesis have reason to send.
func (f *firewall) frameLimit() int { return min(frameMax, stateSizeMax(len(f.members))) }

// exchange is a stream as memberlist sees it. memberlist writes what it has to say in one piece,
// and that becomes our frame; it reads what the firewall has made of the peer's frame.
type exchange struct {
	net.Conn

	t        *transport
	peer     uint16
	run      uint64 // of the peer
	accepted bool   // the peer has dialled
	script   []byte // domain, cluster and both greetings: what signatures here begin with
	inbox    []byte
	received bool
	release  func()
}

// signed returns what the signature of a frame covers.
func (e *exchange) signed(answer bool, body []byte) []byte {
	side := byte(0)
	if answer {
		side = 1
	}
	return slices.Concat(e.script, []byte{side}, body)
}

// Write sends the one frame of our side.
func (e *exchange) Write(b []byte) (int, error) {
	body, err := e.t.sendStream(e.peer, b)
	if err != nil {
		return 0, fmt.Errorf("translate a stream of memberlist: %w", err)
	}
	if !e.t.passBoth(e.peer) {
		e.t.tally.add(refusedCut)
		return 0, fmt.Errorf("%w: the network is cut", ErrRefused)
	}
	if err := e.t.holdBack(e.peer); err != nil {
		return 0, err
	}
	//nolint:gosec // A push/pull stays below frameMax, or the peer refuses it.
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	frame = append(frame, body...)
	frame = append(frame, e.t.key.Sign(e.signed(e.accepted, body))...)
	if _, err := e.Conn.Write(frame); err != nil {
		return 0, fmt.Errorf("send to %s: %w", e.t.members[e.peer].ID.Short(), err)
	}
	return len(b), nil
}

// Read yields what the peer's frame amounts to.
func (e *exchange) Read(b []byte) (int, error) {
	if !e.received {
		if err := e.receive(); err != nil {
			return 0, err
		}
	}
	if len(e.inbox) == 0 {
		return 0, io.EOF
	}
	n := copy(b, e.inbox)
	e.inbox = e.inbox[n:]
	return n, nil
}

// Close ends the stream and frees its place.
func (e *exchange) Close() error {
	e.release()
	if err := e.Conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close a stream: %w", err)
	}
	return nil
}

// receive reads the peer's frame. Its length is bounded before anything is allocated, and memory
// grows with what really arrives.
func (e *exchange) receive() error {
	e.received = true
	head := make([]byte, 4)
	if _, err := io.ReadFull(e.Conn, head); err != nil {
		e.t.tally.add(refusedStreamFailed)
		return fmt.Errorf("read from a stream: %w", err)
	}
	size := int64(binary.BigEndian.Uint32(head))
	if size > int64(e.t.frameLimit()) {
		return e.t.refuse(refusedOversize)
	}
	frame, err := io.ReadAll(io.LimitReader(e.Conn, size+signatureSize))
	if err != nil || int64(len(frame)) < size+signatureSize {
		e.t.tally.add(refusedStreamFailed)
		return fmt.Errorf("read from a stream: %w", errors.Join(err, io.ErrUnexpectedEOF))
	}
	body, signature := frame[:size], frame[size:]
	if !e.t.members[e.peer].ID.Verify(e.signed(!e.accepted, body), signature) {
		return e.t.refuse(refusedBadSignature)
	}
	e.t.markStream(e.peer, e.run, time.Now())
	if !e.t.limits[e.peer].packets.Allow() {
		return e.t.refuse(refusedRateLimited)
	}
	inbox, why := e.t.receiveStream(e.peer, body, !e.accepted)
	if why != accepted {
		return e.t.refuse(why)
	}
	e.inbox = inbox
	return nil
}

// refuse counts a refusal and makes an error of it.
func (t *transport) refuse(why refusal) error {
	t.tally.add(why)
	return fmt.Errorf("%w: %s", ErrRefused, why)
}

// passBoth asks the conditions for a stream, which needs both directions.
func (t *transport) passBoth(peer uint16) bool {
	us, them := t.members[t.self].ID, t.members[peer].ID
	return t.pass(us, them) && t.pass(them, us)
}

// holdBack waits as long as the conditions say that the way to a peer takes.
func (t *transport) holdBack(peer uint16) error {
	delay := t.delay(peer)
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-t.done:
		return ErrClosed
	}
}

// track keeps a connection closable by Shutdown. It reports false once that has begun.
func (t *transport) track(c net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.open[c] = true
	return true
}

func (t *transport) untrack(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
	t.forget(c)
}

// DialTimeout implements [memberlist.Transport], for contact addresses: who lives there is not
// known beforehand.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout implements [memberlist.NodeAwareTransport].
func (t *transport) DialAddressTimeout(
	to memberlist.Address, timeout time.Duration,
) (net.Conn, error) {
	addr, peer := to.Addr, uint16(nobody)
	if to.Name != "" {
		member, ok := t.byName[to.Name]
		if !ok {
			return nil, fmt.Errorf("%w: stream to %q, who is no member", ErrRefused, to.Name)
		}
		home, ok := t.address(member)
		if !ok {
			return nil, fmt.Errorf("%w: no address of %q is known", ErrRefused, to.Name)
		}
		if !t.passBoth(member) {
			return nil, t.refuse(refusedCut)
		}
		addr, peer = home.String(), member
	}
	timeout = min(timeout, t.timeout)
	ctx, cancel := context.WithTimeout(t.dials, timeout)
	defer cancel()
	c, err := t.sockets.dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	if !t.track(c) {
		closeQuietly(c)
		return nil, ErrClosed
	}
	e, err := t.openStream(c, peer, timeout)
	if err != nil {
		t.untrack(c)
		closeQuietly(c)
		return nil, err
	}
	return e, nil
}

// openStream exchanges greetings as the dialler.
func (t *transport) openStream(
	c net.Conn, expected uint16, timeout time.Duration,
) (*exchange, error) {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, fmt.Errorf("bound a stream: %w", err)
	}
	ours := t.greet(expected, t.run())
	if _, err := c.Write(ours); err != nil {
		return nil, fmt.Errorf("greet: %w", err)
	}
	theirs := make([]byte, greetingSize)
	if _, err := io.ReadFull(c, theirs); err != nil {
		return nil, fmt.Errorf("await a greeting: %w", err)
	}
	g, why := t.readGreeting(theirs)
	switch {
	case why == refusedForeignCluster:
		return nil, t.foreign(c, theirs)
	case why != accepted:
		return nil, t.refuse(why)
	case g.sender == t.self:
		return nil, ErrSelf
	case g.peer != t.self || expected != nobody && g.sender != expected:
		return nil, t.refuse(refusedWrongMember)
	case !t.passBoth(g.sender):
		return nil, t.refuse(refusedCut)
	}
	return &exchange{
		Conn: c, t: t, peer: g.sender, run: g.run, script: t.script(ours, theirs),
		release: func() { t.untrack(c) },
	}, nil
}

// script is what the signatures of a stream begin with.
func (t *transport) script(dialler, acceptor []byte) []byte {
	return slices.Concat([]byte(streamDomain), t.cluster[:], dialler, acceptor)
}

// acceptStreams is the goroutine that accepts streams.
func (t *transport) acceptStreams() {
	for {
		c, err := t.sockets.streams.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Most likely no file descriptor is free: wait until one may be.
			t.tally.add(refusedStreamFailed)
			if t.pause(100 * time.Millisecond) {
				continue
			}
			return
		}
		if !t.accepts.Allow() {
			t.tally.add(refusedRateLimited)
			closeQuietly(c)
			continue
		}
		if !t.track(c) {
			closeQuietly(c)
			return
		}
		if oldest := t.enter(c); oldest != nil {
			t.tally.add(refusedStreamsFull)
			closeQuietly(oldest)
		}
		t.tasks.Go(func() { t.admit(c) })
	}
}

// guests are the streams that others have opened and not yet closed.
type guests struct {
	unproved []net.Conn // in the order in which they came
	proved   []int      // how many, by member
}

// enter gives a new stream a place, and returns the one that has to go for it. That is the oldest
// of those who have not proved who they are: a member needs a moment, and whoever wants to keep
// others out has to stay.
func (t *transport) enter(c net.Conn) (oldest net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.guests.unproved = append(t.guests.unproved, c)
	if len(t.guests.unproved) > strangerStreams {
		oldest = t.guests.unproved[0]
		t.guests.unproved = slices.Delete(t.guests.unproved, 0, 1)
	}
	return oldest
}

// prove moves a stream from those of strangers to those of the member at its other end, if that has
// room for one.
func (t *transport) prove(c net.Conn, member uint16) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(c)
	if t.guests.proved[member] == memberStreams {
		return false
	}
	t.guests.proved[member]++
	return true
}

// leave frees the place of a member's stream.
func (t *transport) leave(member uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.guests.proved[member]--
}

// forget takes a stream off the list of strangers'. The caller holds mu.
func (t *transport) forget(c net.Conn) {
	if at := slices.Index(t.guests.unproved, c); at >= 0 {
		t.guests.unproved = slices.Delete(t.guests.unproved, at, at+1)
	}
}

// pause waits, and reports false if the transport ends meanwhile.
func (t *transport) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.done:
		return false
	}
}

// admit authenticates a stream that another node has opened, and hands it to memberlist.
func (t *transport) admit(c net.Conn) {
	e, err := t.answerStream(c)
	if err != nil {
		t.untrack(c)
		closeQuietly(c)
		return
	}
	select {
	case t.streams <- e:
	case <-t.done:
		closeQuietly(e)
	}
}

// answerStream exchanges greetings as the acceptor and reads the dialler's frame.
func (t *transport) answerStream(c net.Conn) (*exchange, error) {
	if err := c.SetDeadline(time.Now().Add(t.timeout)); err != nil {
		return nil, fmt.Errorf("bound a stream: %w", err)
	}
	theirs := make([]byte, greetingSize)
	if _, err := io.ReadFull(c, theirs); err != nil {
		t.tally.add(refusedStreamFailed)
		return nil, fmt.Errorf("await a greeting: %w", err)
	}
	g, why := t.readGreeting(theirs)
	if why == refusedForeignCluster {
		// Our greeting tells the other side as much, so that both can name both clusters.
		_, err := c.Write(t.greet(nobody, t.run()))
		return nil, errors.Join(t.foreign(c, theirs), err)
	}
	if why != accepted {
		return nil, t.refuse(why)
	}
	ours := t.greet(g.sender, t.run())
	if g.sender != t.self {
		if g.peer != t.self && g.peer != nobody {
			return nil, t.refuse(refusedWrongMember)
		}
		if !t.passBoth(g.sender) {
			return nil, t.refuse(refusedCut)
		}
	}
	// We greet ourselves too, so that a node that dials itself learns that it did.
	if _, err := c.Write(ours); err != nil {
		t.tally.add(refusedStreamFailed)
		return nil, fmt.Errorf("greet: %w", err)
	}
	if g.sender == t.self {
		return nil, ErrSelf
	}
	e := &exchange{
		Conn: c, t: t, peer: g.sender, run: g.run, accepted: true,
		script: t.script(theirs, ours),
	}
	if err := e.receive(); err != nil {
		return nil, err
	}
	if !t.prove(c, g.sender) {
		return nil, t.refuse(refusedStreamsFull)
	}
	e.release = sync.OnceFunc(func() {
		t.untrack(c)
		t.leave(g.sender)
	})
	return e, nil
}
