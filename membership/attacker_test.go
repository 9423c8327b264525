package membership

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"byzd/crypto"
)

// attacker holds the key of a member and says with it what it likes, over real sockets.
type attacker struct {
	t      *testing.T
	self   uint16
	run    uint64
	key    crypto.NetworkKey
	roster *roster // for indices and packet numbers

	incarnation uint32 // the last that it gave itself in a flood

	sockets
}

func newAttacker(t *testing.T, c *cluster, i int) *attacker {
	t.Helper()
	var s sockets
	if c.ether != nil {
		s = c.ether.listen(netip.AddrPort{})
	} else {
		var err error
		if s, err = listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { s.close() })
	cfg := c.config(i)
	return &attacker{
		t: t, self: uint16(i), run: cfg.Counter, key: cfg.Key, roster: newRoster(cfg), sockets: s,
	}
}

// record is what the attacker says of itself.
func (a *attacker) record() Record {
	return Record{
		ID: a.key.ID(), SwimAddr: a.addr.String(), TransportAddr: "evil",
		Counter: a.run,
	}
}

// announcement is a signed statement of the attacker about itself.
func (a *attacker) announcement(incarnation uint32) *announcement {
	n := &announcement{subject: a.self, incarnation: incarnation, record: a.record()}
	n.sign(testCluster, a.key)
	return n
}

// forge signs, with the attacker's key, what change makes of a correct member's announcement.
func (a *attacker) forge(victim *Gossip, change func(*announcement)) *announcement {
	n, _ := victim.transport.newest(victim.transport.self)
	forged := *n
	change(&forged)
	forged.sign(testCluster, a.key)
	return &forged
}

// raw sends bytes to a node.
func (a *attacker) raw(to *Gossip, packet []byte) {
	a.t.Helper()
	addr, err := netip.ParseAddrPort(to.Addr())
	if err != nil {
		a.t.Fatal(err)
	}
	if _, err := a.packets.WriteToUDPAddrPort(packet, addr); err != nil {
		a.t.Fatal(err)
	}
}

// sealed signs a body for a node.
func (a *attacker) sealed(to *Gossip, body []byte) []byte {
	h := a.roster.nextHeader(to.transport.self, a.run)
	h.sender = a.self
	h.recipientRun = to.transport.run()
	return sealPacket(testCluster, a.key, h, body)
}

// tell sends authenticated messages.
func (a *attacker) tell(to *Gossip, messages ...message) {
	a.t.Helper()
	for _, body := range packBodies(messages) {
		a.raw(to, a.sealed(to, body))
	}
}

// stream opens an authenticated stream, sends a frame of any claimed length with the body, and
// waits until the other side ends the stream.
func (a *attacker) stream(to *Gossip, length uint32, body []byte) {
	a.t.Helper()
	c := a.frame(to, length, body)
	defer c.Close()
	if _, err := io.Copy(io.Discard, c); err != nil {
		a.t.Logf("await the end: %v", err)
	}
}

// open opens an authenticated stream and sends a frame.
func (a *attacker) open(to *Gossip, body []byte) net.Conn {
	a.t.Helper()
	return a.frame(to, uint32(len(body)), body)
}

func (a *attacker) frame(to *Gossip, length uint32, body []byte) net.Conn {
	a.t.Helper()
	c := a.call(to)
	f := &firewall{roster: a.roster}
	f.self = a.self
	ours := f.greet(to.transport.self, a.run)
	theirs := make([]byte, greetingSize)
	if _, err := c.Write(ours); err != nil {
		a.t.Fatal(err)
	}
	if _, err := io.ReadFull(c, theirs); err != nil {
		a.t.Fatalf("await a greeting: %v", err)
	}
	e := &exchange{script: to.transport.script(ours, theirs)}
	frame := binary.BigEndian.AppendUint32(nil, length)
	frame = append(frame, body...)
	frame = append(frame, a.key.Sign(e.signed(false, body))...)
	if _, err := c.Write(frame); err != nil {
		a.t.Logf("write a frame: %v", err)
	}
	return c
}

func (a *attacker) call(to *Gossip) net.Conn {
	a.t.Helper()
	c, err := a.dial(a.t.Context(), to.Addr())
	if err != nil {
		a.t.Fatal(err)
	}
	// A node that has closed the stream already is what some tests want.
	err = c.SetDeadline(time.Now().Add(20 * time.Second))
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		a.t.Fatal(err)
	}
	return c
}

// claimOf calls a member dead or suspect in its present incarnation.
func claimOf(victim *Gossip, dead bool) claimMessage {
	n, _ := victim.transport.newest(victim.transport.self)
	m, ok := claim(n, dead).(claimMessage)
	if !ok {
		panic("claim makes something else than a claim")
	}
	return m
}

// bytesMessage is a body that no encoder of ours would make.
type bytesMessage []byte

func (m bytesMessage) appendTo(b []byte) []byte { return append(b, m...) }
func (m bytesMessage) size() int                { return len(m) }
