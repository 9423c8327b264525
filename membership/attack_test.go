package membership

import (
	"bytes"
	"crypto/rand"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"byzd/crypto"
)

// attack is one thing that a member's key lets its holder try against node 0, about node 1.
type attack struct {
	name    string
	counter string // of node 0; it must rise
	strike  func(a *attacker, at, about *Gossip)
}

// packetAttacks are those of ECOSYSTEM §2.4 that fit into packets.
func packetAttacks() []attack {
	return []attack{
		{"alive of another at another address", "record_unsigned", func(a *attacker, at, about *Gossip) {
			a.tell(at, aliveMessage{a.forge(about, func(n *announcement) {
				n.incarnation++
				n.record.SwimAddr = a.addr.String()
			})})
		}},
		{"alive of another in a new run", "record_unsigned", func(a *attacker, at, about *Gossip) {
			a.tell(at, aliveMessage{a.forge(about, func(n *announcement) { n.record.Counter += 10 })})
		}},
		{
			"another's true signature under a raised incarnation", "record_unsigned",
			func(a *attacker, at, about *Gossip) {
				true0, _ := about.transport.newest(about.transport.self)
				raised := *true0
				raised.incarnation++
				a.tell(at, aliveMessage{&raised})
			},
		},
		{"leave of another", "record_unsigned", func(a *attacker, at, about *Gossip) {
			a.tell(at, aliveMessage{a.forge(about, func(n *announcement) { n.left = true })})
		}},
		{"leave and then another address", "record_unsigned", func(a *attacker, at, about *Gossip) {
			a.tell(at, aliveMessage{a.forge(about, func(n *announcement) { n.left = true })})
			a.tell(at, aliveMessage{a.forge(about, func(n *announcement) {
				n.incarnation += 2
				n.record.SwimAddr = a.addr.String()
			})})
		}},
		{"dead", "hearsay_demoted", func(a *attacker, at, about *Gossip) {
			a.tell(at, claimOf(about, true))
		}},
		{"suspect", "hearsay_demoted", func(a *attacker, at, about *Gossip) {
			a.tell(at, claimOf(about, false))
		}},
		{"dead in the last incarnation", "incarnation_too_high", func(a *attacker, at, about *Gossip) {
			m := claimOf(about, true)
			m.incarnation = math.MaxUint32
			a.tell(at, m)
			a.tell(about, m)
		}},
		{
			"accused of being dead in the last incarnation", "incarnation_too_high",
			func(a *attacker, at, _ *Gossip) {
				m := claimOf(at, true)
				m.incarnation = math.MaxUint32
				a.tell(at, m)
			},
		},
		{"accused again and again", "rate_limited", func(a *attacker, at, _ *Gossip) {
			for range 10 {
				a.tell(at, claimOf(at, true))
			}
		}},
		{"dead in an old run", "stale_claim", func(a *attacker, at, about *Gossip) {
			m := claimOf(about, true)
			m.run--
			a.tell(at, m)
		}},
		{"alive of somebody invented", "name_unknown", func(a *attacker, at, about *Gossip) {
			a.tell(at, aliveMessage{a.forge(about, func(n *announcement) { n.subject = 4711 })})
		}},
		{"dead of somebody invented", "name_unknown", func(a *attacker, at, about *Gossip) {
			m := claimOf(about, true)
			m.subject = 4711
			a.tell(at, m)
		}},
		{"own incarnation at the end", "incarnation_too_high", func(a *attacker, at, _ *Gossip) {
			a.tell(at, aliveMessage{a.announcement(math.MaxUint32)})
		}},
		{"two records of one run", "record_conflict", func(a *attacker, at, _ *Gossip) {
			a.tell(at, aliveMessage{a.announcement(1)})
			other := a.announcement(2)
			other.record.ClientAddr = "elsewhere"
			other.sign(testCluster, a.key)
			a.tell(at, aliveMessage{other})
		}},
		{"record of garbage", "malformed", func(a *attacker, at, _ *Gossip) {
			n := a.announcement(3)
			n.record.ClientAddr = "\x1b[2J\x00\xff"
			n.sign(testCluster, a.key)
			a.tell(at, aliveMessage{n})
		}},
		{"record without a usable address", "malformed", func(a *attacker, at, _ *Gossip) {
			for _, addr := range []string{"", "0.0.0.0:1", "127.0.0.1:0", "[::1%lo]:5", "x:1"} {
				n := a.announcement(3)
				n.record.SwimAddr = addr
				n.sign(testCluster, a.key)
				a.tell(at, aliveMessage{n})
			}
		}},
		{"huge record", "oversize", func(a *attacker, at, _ *Gossip) {
			n := a.announcement(3)
			n.record.TransportAddr = strings.Repeat("x", 255)
			n.record.ClientAddr = strings.Repeat("y", 255)
			n.sign(testCluster, a.key)
			a.tell(at, aliveMessage{n})
		}},
	}
}

// wireAttacks are those that use the wire itself.
func wireAttacks() []attack {
	return []attack{
		{"user message", "user_message", func(a *attacker, at, _ *Gossip) {
			a.tell(at, bytesMessage{byte(kindUser), 1, 2, 3})
		}},
		{"compressed message", "compressed_message", func(a *attacker, at, _ *Gossip) {
			a.tell(at, bytesMessage{byte(kindCompressed), 1, 2, 3})
		}},
		{"encrypted message", "encrypted_message", func(a *attacker, at, _ *Gossip) {
			a.tell(at, bytesMessage{byte(kindEncrypted), 1, 2, 3})
		}},
		{"indirect ping, push/pull, compound", "malformed", func(a *attacker, at, _ *Gossip) {
			for _, k := range []kind{listIndirectPingKind, kindState, listCompoundKind, 12, 244} {
				a.tell(at, bytesMessage{byte(k), 1, 2, 3})
			}
		}},
		{"message cut short", "malformed", func(a *attacker, at, about *Gossip) {
			whole := claimOf(about, true).appendTo(nil)
			a.tell(at, bytesMessage(whole[:len(whole)-1]))
		}},
		{"too long a packet", "oversize", func(a *attacker, at, _ *Gossip) {
			a.raw(at, a.sealed(at, make([]byte, 20_000)))
		}},
		{"packet twice", "replayed", func(a *attacker, at, _ *Gossip) {
			p := a.sealed(at, pingMessage{1}.appendTo(nil))
			a.raw(at, p)
			a.raw(at, p)
		}},
		{"packet of an old run", "old_run", func(a *attacker, at, _ *Gossip) {
			a.tell(at, pingMessage{1})
			a.run--
			a.tell(at, pingMessage{2})
			a.run++
		}},
		{"packet for another", "wrong_recipient", func(a *attacker, at, about *Gossip) {
			a.raw(at, a.sealed(about, pingMessage{1}.appendTo(nil)))
		}},
		{"packet of another cluster", "foreign_cluster", func(a *attacker, at, _ *Gossip) {
			p := a.sealed(at, pingMessage{1}.appendTo(nil))
			p[1] ^= 1
			a.raw(at, p)
		}},
		{
			"packet of a cluster whose mark is the same", "bad_signature",
			func(a *attacker, at, _ *Gossip) {
				other := testCluster
				other[31] ^= 1
				h := a.roster.nextHeader(at.transport.self, a.run)
				h.sender = a.self
				a.raw(at, sealPacket(other, a.key, h, pingMessage{1}.appendTo(nil)))
			},
		},
		{"packet in another's name", "bad_signature", func(a *attacker, at, about *Gossip) {
			h := header{
				sender: about.transport.self, recipient: at.transport.self,
				run: math.MaxUint64, sequence: 1,
			}
			a.raw(at, sealPacket(testCluster, a.key, h, pingMessage{1}.appendTo(nil)))
		}},
		{"packet of somebody invented", "unknown_sender", func(a *attacker, at, _ *Gossip) {
			h := header{sender: 4711, recipient: at.transport.self, run: 1, sequence: 1}
			a.raw(at, sealPacket(testCluster, a.key, h, pingMessage{1}.appendTo(nil)))
		}},
		{"packet of another version", "foreign_version", func(a *attacker, at, _ *Gossip) {
			p := a.sealed(at, pingMessage{1}.appendTo(nil))
			p[0]++
			a.raw(at, p)
		}},
		{"announcements without end", "rate_limited", func(a *attacker, at, _ *Gossip) {
			for range 40 {
				var many []message
				for range 10 {
					a.incarnation++
					many = append(many, aliveMessage{a.announcement(a.incarnation)})
				}
				a.tell(at, many...)
			}
		}},
		{"noise", "malformed", func(a *attacker, at, _ *Gossip) {
			for size := range 300 {
				p := make([]byte, size)
				rand.Read(p)
				a.raw(at, p)
			}
		}},
		{"ack that nobody asked for", "foreign_ack", func(a *attacker, at, _ *Gossip) {
			for number := range uint32(50) {
				a.tell(at, ackMessage{number})
			}
		}},
		{"flood", "rate_limited", func(a *attacker, at, _ *Gossip) {
			for number := range uint32(2 * packetBurst) {
				a.tell(at, pingMessage{number})
			}
		}},
		{"relay of somebody else's packet", "relay_refused", func(a *attacker, at, about *Gossip) {
			h := header{
				sender: 2, recipient: about.transport.self, run: math.MaxUint64, sequence: 1,
			}
			p := sealPacket(testCluster, a.key, h, pingMessage{1}.appendTo(nil))
			a.tell(at, relayMessage{target: about.transport.self, packet: p})
		}},
		{"relay of much", "relay_refused", func(a *attacker, at, about *Gossip) {
			p := a.sealed(about, make([]byte, 500))
			a.tell(at, relayMessage{target: about.transport.self, packet: p})
		}},
		{"relayed forgery", "bad_signature", func(a *attacker, at, about *Gossip) {
			h := header{
				sender: about.transport.self, recipient: at.transport.self,
				run: math.MaxUint64, sequence: 1,
			}
			p := sealPacket(testCluster, a.key, h, ackMessage{1}.appendTo(nil))
			a.tell(at, relayedMessage{packet: p})
		}},
		{"relay within a relay", "relay_refused", func(a *attacker, at, _ *Gossip) {
			p := a.sealed(at, relayedMessage{}.appendTo(nil))
			a.tell(at, relayedMessage{packet: p})
		}},
	}
}

// streamAttacks are those over TCP.
func streamAttacks() []attack {
	whole := func(a *attacker, at *Gossip, body []byte) { a.stream(at, uint32(len(body)), body) }
	state := func(a *attacker, at *Gossip, opinions ...opinion) {
		slices.SortFunc(opinions, func(x, y opinion) int {
			return int(x.announcement.subject) - int(y.announcement.subject)
		})
		whole(a, at, encodeState(opinions))
	}
	said := func(g *Gossip) *announcement {
		n, _ := g.transport.newest(g.transport.self)
		return n
	}
	return []attack{
		{"push/pull: left", "hearsay_ignored", func(a *attacker, at, about *Gossip) {
			state(a, at, opinion{Left, said(about)}, opinion{Alive, a.announcement(1)})
		}},
		{"push/pull: dead", "hearsay_ignored", func(a *attacker, at, about *Gossip) {
			state(a, at, opinion{Dead, said(about)}, opinion{Dead, said(at)})
		}},
		{"push/pull: left, forged", "record_unsigned", func(a *attacker, at, about *Gossip) {
			n := a.forge(about, func(n *announcement) { n.left = true })
			state(a, at, opinion{Left, n})
		}},
		{"push/pull: at another address", "record_unsigned", func(a *attacker, at, about *Gossip) {
			n := a.forge(about, func(n *announcement) { n.record.SwimAddr = "127.0.0.1:9" })
			state(a, at, opinion{Alive, n})
		}},
		{"push/pull: one member twice", "malformed", func(a *attacker, at, about *Gossip) {
			state(a, at, opinion{Alive, said(about)}, opinion{Alive, said(about)})
		}},
		{"push/pull: state out of range", "malformed", func(a *attacker, at, about *Gossip) {
			state(a, at, opinion{State(77), said(about)})
		}},
		{"push/pull: a million members", "oversize", func(a *attacker, at, _ *Gossip) {
			whole(a, at, []byte{byte(kindState), 0xff, 0xff})
		}},
		{"frame of 4 GiB", "oversize", func(a *attacker, at, _ *Gossip) {
			a.stream(at, math.MaxUint32, []byte("boo"))
		}},
		{"frame of nothing", "malformed", func(a *attacker, at, _ *Gossip) { whole(a, at, nil) }},
		{"frame of noise", "malformed", func(a *attacker, at, _ *Gossip) {
			whole(a, at, bytes.Repeat([]byte{0x99}, 500))
		}},
		{"stream: user message", "user_message", func(a *attacker, at, _ *Gossip) {
			whole(a, at, []byte{byte(kindUser), 1})
		}},
		{"stream: compressed message", "compressed_message", func(a *attacker, at, _ *Gossip) {
			whole(a, at, []byte{byte(kindCompressed), 1})
		}},
		{"stream: encrypted message", "encrypted_message", func(a *attacker, at, _ *Gossip) {
			whole(a, at, []byte{byte(kindEncrypted), 1})
		}},
		{"stream in another's name", "bad_signature", func(a *attacker, at, about *Gossip) {
			a.self, a.roster.self = about.transport.self, about.transport.self
			whole(a, at, pingMessage{1}.appendTo(nil))
			a.self, a.roster.self = 4, 4
		}},
		{"streams that take no answer", "streams_full", func(a *attacker, at, _ *Gossip) {
			for range 2 * memberStreams {
				defer a.open(at, encodeState(nil)).Close()
			}
			wait(a.t, 20*time.Second, "places run out", func() error {
				if at.Counters()["streams_full"] == 0 {
					return ErrRefused
				}
				return nil
			})
		}},
		{"streams that say nothing", "streams_full", func(a *attacker, at, _ *Gossip) {
			var open []net.Conn
			for range 2 * strangerStreams {
				open = append(open, a.call(at))
			}
			wait(a.t, 20*time.Second, "places run out", func() error {
				if at.Counters()["streams_full"] == 0 {
					return ErrRefused
				}
				return nil
			})
			for _, c := range open {
				c.Close()
			}
		}},
	}
}

func attacks() []attack {
	return slices.Concat(packetAttacks(), wireAttacks(), streamAttacks())
}

// TestAttack_HarmsNobody lets the holder of one member's key do its worst, one thing at a time, and
// wants every correct node to hold every correct member for alive and at home until long after any
// suspicion would have run out.
// PROTOCOL §3: B45.
func TestAttack_HarmsNobody(t *testing.T) {
	for _, k := range attacks() {
		t.Run(k.name, func(t *testing.T) {
			inEther(t, 5, func(c *cluster) {
				b := newBesieged(c)
				b.suffer(k, 3)
				holds(c.t, 10*time.Second, b.intact)
			})
		})
	}
}

// TestAttack_TogetherHarmNobody is the same with all of it in a row.
func TestAttack_TogetherHarmNobody(t *testing.T) {
	inEther(t, 5, func(c *cluster) {
		b := newBesieged(c)
		for _, k := range attacks() {
			b.suffer(k, 1)
			holds(c.t, 3*time.Second, b.intact) // What the attacker may say in a while grows again.
		}
		holds(c.t, 15*time.Second, b.intact)
		for _, i := range b.correct {
			c.t.Logf("node %d:%s", i, counted(c.nodes[i]))
		}
	})
}

// besieged is four correct nodes of five, and who holds the key of the fifth.
type besieged struct {
	*cluster

	correct  []int
	attacker *attacker
	intact   func() error
}

func newBesieged(c *cluster) *besieged {
	b := &besieged{cluster: c, correct: upTo(4)}
	c.startAll(b.correct...)
	b.intact = c.sees(b.correct, b.correct, Alive)
	wait(c.t, 20*time.Second, "start", b.intact)
	b.attacker = newAttacker(c.t, c, 4)
	return b
}

// suffer strikes some times and waits until that has been counted.
func (b *besieged) suffer(k attack, times int) {
	b.t.Helper()
	at, about := b.nodes[0], b.nodes[1]
	before := at.Counters()[k.counter]
	for range times {
		k.strike(b.attacker, at, about)
		if err := b.intact(); err != nil {
			b.t.Fatalf("%s: %v", k.name, err)
		}
	}
	wait(b.t, 10*time.Second, k.name+": "+k.counter, func() error {
		if at.Counters()[k.counter] == before {
			return ErrRefused
		}
		return b.intact()
	})
}

// TestAttack_StrangerWithoutKey knows everything but a key.
func TestAttack_StrangerWithoutKey(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4, nil)
	all := upTo(3)
	c.startAll(all...)
	intact := c.sees(all, all, Alive)
	wait(t, 20*time.Second, "start", intact)
	a := newAttacker(t, c, 3)
	a.key = crypto.NewNetworkKey([crypto.SeedSize]byte{99})
	for _, g := range c.nodes[:3] {
		for range 100 {
			a.tell(g, claimOf(c.nodes[0], true), aliveMessage{a.announcement(1)})
		}
		a.stream(g, 5, pingMessage{1}.appendTo(nil))
		wait(t, 10*time.Second, "refused", func() error {
			if g.Counters()["bad_signature"] < 50 {
				return ErrRefused
			}
			return nil
		})
		if v := g.View()[3]; v.State != Unknown || !v.LastHeard.IsZero() {
			t.Errorf("the stranger is taken for a member: %+v", v)
		}
	}
	holds(t, time.Second, intact)
}
