package membership

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"byzd/crypto"
)

// wall is the firewall of member 0 of four, without a network. All members are alive to it, and
// have announced themselves.
type wall struct {
	*firewall

	keys []crypto.NetworkKey
	now  time.Time
}

func newWall(t testing.TB) *wall {
	t.Helper()
	keys, members := testKeys(4)
	cfg := Config{Cluster: testCluster, Key: keys[0], Members: members}
	w := &wall{keys: keys, now: time.Unix(1_000_000, 0)}
	w.firewall = &firewall{
		roster: newRoster(cfg), tally: &tally{}, pings: newPingTable(4), limits: newLimits(4),
		stranger: rate.NewLimiter(strangerRate, strangerMax),
		homes:    rate.NewLimiter(homeRate, homeBurst),
		opinion:  func(uint16) State { return Alive },
		allowed:  func(crypto.NodeID, crypto.NodeID) bool { return true },
		lies:     &atomic.Pointer[Lies]{},
	}
	for i := range members {
		a := w.said(uint16(i), 5, 1)
		if i == 0 {
			w.announce(a.record, 1, false)
		} else if newest, why := w.learn(a, nil); !newest || why != accepted {
			t.Fatalf("learn of member %d: %v", i, why)
		}
	}
	return w
}

// reset makes the wall forget what it was told, so that each input of a fuzzer is on its own.
func (w *wall) reset(seats []seat) {
	copy(w.seats, seats)
	w.pings = newPingTable(len(seats))
	w.pings.asked(1, 1)
	w.pings.helped(1, 1)
	copy(w.limits, newLimits(len(seats)))
}

// said is a true announcement of a member.
func (w *wall) said(member uint16, run uint64, incarnation uint32) *announcement {
	a := &announcement{subject: member, incarnation: incarnation, record: Record{
		ID: w.members[member].ID, SwimAddr: "127.0.0.1:1" + string(rune('0'+member)),
		TransportAddr: "t", ClientAddr: "c", Counter: run,
	}}
	a.sign(w.cluster, w.keys[member])
	return a
}

// hear lets a member say something in a packet. Time passes, so that no rate is exceeded.
func (w *wall) hear(member uint16, sequence uint64, body []byte) incoming {
	w.now = w.now.Add(10 * time.Second)
	h := header{sender: member, run: 5, recipientRun: 5, sequence: sequence}
	return w.receive(sealPacket(w.cluster, w.keys[member], h, body), netip.AddrPort{}, w.now)
}

func TestRoster_Learns(t *testing.T) {
	changed := func(a *announcement, key crypto.NetworkKey, f func(*announcement)) *announcement {
		b := *a
		f(&b)
		b.sign(testCluster, key)
		return &b
	}
	w := newWall(t)
	base := w.said(1, 5, 1)
	for _, k := range []struct {
		name   string
		a      *announcement
		newest bool
		why    refusal
	}{
		{"the same again", base, true, accepted},
		{"a refutation", w.said(1, 5, 2), true, accepted},
		{"what came before it", base, false, accepted},
		{"an old run", w.said(1, 4, 9), false, refusedRecordOld},
		{"another record in the same run", changed(base, w.keys[1], func(a *announcement) {
			a.incarnation, a.record.ClientAddr = 3, "d"
		}), false, refusedRecordConflict},
		{"a move that a liar signed", changed(base, w.keys[2], func(a *announcement) {
			a.record.Counter, a.record.SwimAddr = 6, "127.0.0.1:99"
		}), false, refusedRecordUnsigned},
		{"a move", changed(base, w.keys[1], func(a *announcement) {
			a.record.Counter, a.record.SwimAddr = 6, "127.0.0.1:99"
		}), true, accepted},
		{"leaving", changed(base, w.keys[1], func(a *announcement) {
			a.record.Counter, a.record.SwimAddr, a.left = 6, "127.0.0.1:99", true
		}), true, accepted},
		{"staying after all", changed(base, w.keys[1], func(a *announcement) {
			a.record.Counter, a.record.SwimAddr = 6, "127.0.0.1:99"
		}), false, accepted},
		{"ourselves in the same run", w.said(0, 5, 1), true, accepted},
		{"ourselves in an incarnation that we never had", w.said(0, 5, 2), false, refusedSelfConflict},
	} {
		newest, why := w.learn(k.a, nil)
		if newest != k.newest || why != k.why {
			t.Errorf("%s: got %v, %v; want %v, %v", k.name, newest, why, k.newest, k.why)
		}
	}
	// Six announcements came, of which four replaced another: each raises memberlist's incarnation.
	if _, version := w.newest(1); version != 4 {
		t.Errorf("memberlist's incarnation of member 1 is %d, want 4", version)
	}
}

func TestWindow(t *testing.T) {
	var w window
	for i, k := range []struct {
		run, sequence uint64
		want          refusal
	}{
		{7, 1, accepted},
		{7, 1, refusedReplayed},
		{7, 70, accepted},
		{7, 7, accepted}, // 63 behind
		{7, 7, refusedReplayed},
		{7, 6, refusedReplayed}, // 64 behind: may have been seen
		{7, 69, accepted},
		{7, 70, refusedReplayed},
		{6, 99, refusedOldRun},
		{8, 5, accepted},
		{7, 99, refusedOldRun},
		{8, 1 << 63, accepted},
		{8, 5, refusedReplayed},
	} {
		got := w.judge(k.run, k.sequence)
		if got != k.want {
			t.Errorf("step %d: run %d sequence %d: got %v, want %v", i, k.run, k.sequence, got, k.want)
		}
		if got == accepted {
			w.mark(k.run, k.sequence)
		}
	}
	w.raise(9)
	if got := w.judge(8, 1<<63+1); got != refusedOldRun {
		t.Errorf("after a newer run: %v", got)
	}
}

// TestFirewall_HearsayIsNeverFed wants what others say of a live member to come to a look at most.
func TestFirewall_HearsayIsNeverFed(t *testing.T) {
	w := newWall(t)
	about, _ := w.newest(2)
	for sequence, m := range []message{claim(about, false), claim(about, true)} {
		in := w.hear(1, uint64(sequence)+1, m.appendTo(nil))
		if len(in.feed) != 0 || !slices.Equal(in.looks, []look{{subject: 2, by: 1}}) {
			t.Errorf("%+v: memberlist reads %d messages, looks %v", m, len(in.feed), in.looks)
		}
	}
	w.opinion = func(uint16) State { return Suspect }
	if in := w.hear(1, 3, claim(about, true).appendTo(nil)); len(in.feed) != 1 {
		t.Error("a second witness of a member that we suspect ourselves was not heard")
	}
}

// TestFirewall_AckOfAnotherRun has an answer that was meant for us before we started anew: packets
// of a member that is dead by now would keep it alive.
func TestFirewall_AckOfAnotherRun(t *testing.T) {
	w := newWall(t)
	w.pings.asked(7, 1)
	for sequence, run := range []uint64{4, 6, 5} {
		h := header{sender: 1, run: 5, recipientRun: run, sequence: uint64(sequence) + 1}
		body := ackMessage{7}.appendTo(nil)
		in := w.receive(sealPacket(w.cluster, w.keys[1], h, body), netip.AddrPort{}, w.now)
		if (len(in.feed) == 1) != (run == w.run()) {
			t.Errorf("run %d: memberlist reads %d messages", run, len(in.feed))
		}
	}
	if got := w.tally.snapshot()["foreign_ack"]; got != 2 {
		t.Errorf("foreign_ack is %d, want 2", got)
	}
}

// TestFirewall_BoundsSignatureChecks floods with forgeries, from anywhere and with the source
// address of a member: so many are checked at once and no more, and neither flood uses up the
// other's bucket.
func TestFirewall_BoundsSignatureChecks(t *testing.T) {
	w := newWall(t)
	home, ok := w.address(1)
	if !ok {
		t.Fatal("member 1 has no address")
	}
	h := header{sender: 1, run: 5, recipientRun: 5, sequence: 1}
	forged := sealPacket(w.cluster, w.keys[2], h, pingMessage{1}.appendTo(nil))
	for _, k := range []struct {
		from  netip.AddrPort
		burst uint64
	}{{netip.AddrPort{}, strangerMax}, {home, homeBurst}} {
		before := w.tally.snapshot()["bad_signature"]
		for range k.burst + 100 {
			w.receive(forged, k.from, w.now)
		}
		if got := w.tally.snapshot()["bad_signature"] - before; got != k.burst {
			t.Errorf("from %v: %d signatures were checked at once, want %d", k.from, got, k.burst)
		}
	}
	if got := w.tally.snapshot()["rate_limited"]; got != 200 {
		t.Errorf("rate_limited is %d, want 200", got)
	}
}

// TestFirewall_OutgoingSplits wants more than fits into one packet to go in several, none too long.
func TestFirewall_OutgoingSplits(t *testing.T) {
	w := newWall(t)
	a := w.said(1, 5, 1)
	a.record.TransportAddr = string(bytes.Repeat([]byte{'t'}, addressMax))
	a.record.ClientAddr = string(bytes.Repeat([]byte{'c'}, addressMax))
	if a.size() > announcementMax {
		t.Fatalf("the longest record has %d bytes", a.size())
	}
	messages := slices.Repeat([]message{aliveMessage{a}}, 20)
	count := 0
	for _, p := range w.seal(2, messages) {
		if len(p.packet) > packetMax {
			t.Errorf("a packet has %d bytes", len(p.packet))
		}
		body, why := openPacket(w.cluster, w.members[0].ID, p.packet)
		if why != accepted {
			t.Fatal(why)
		}
		got, why := readBody(body, w.members)
		if why != accepted {
			t.Fatal(why)
		}
		count += len(got)
	}
	if count != len(messages) {
		t.Errorf("%d of %d messages went out", count, len(messages))
	}
}

// TestFirewall_LimitsAllocation wants the longest push/pull of a genesis to fit into a frame.
func TestFirewall_LimitsAllocation(t *testing.T) {
	for _, n := range []int{1, 4, 100, 1000} {
		if size := stateSizeMax(n); size > frameMax {
			t.Errorf("n=%d: a push/pull of %d bytes is longer than a frame", n, size)
		}
	}
}

// seeds are bodies of honest packets.
func (w *wall) seeds() [][]byte {
	about, _ := w.newest(2)
	return [][]byte{
		{},
		pingMessage{1}.appendTo(nil),
		ackMessage{1}.appendTo(nackMessage{2}.appendTo(nil)),
		claim(about, true).appendTo(claim(about, false).appendTo(nil)),
		aliveMessage{about}.appendTo(nil),
		w.wrap(2, 7, pingMessage{7}).appendTo(nil),
		relayedMessage{packet: w.seal(1, []message{pingMessage{9}})[0].packet}.appendTo(nil),
		{byte(kindUser), 0},
		{byte(kindCompressed)},
		{byte(kindEncrypted)},
		{byte(kindState), 0, 1},
	}
}

// FuzzPacket gives a member's key to the fuzzer: whatever it says, nothing panics, what is decoded
// has one encoding, memberlist reads only what we would write, and nobody else is moved.
func FuzzPacket(f *testing.F) {
	w := newWall(f)
	for _, body := range w.seeds() {
		f.Add(body)
	}
	seats := slices.Clone(w.seats)
	f.Fuzz(func(t *testing.T, body []byte) {
		w.reset(seats)
		if messages, why := readBody(body, w.members); why == accepted {
			var again []byte
			for _, m := range messages {
				if m.size() != len(m.appendTo(nil)) {
					t.Errorf("%T: size %d, length %d", m, m.size(), len(m.appendTo(nil)))
				}
				again = m.appendTo(again)
			}
			if !bytes.Equal(again, body) {
				t.Errorf("decoded %x, encodes to %x", body, again)
			}
		}
		w.receive(body, netip.AddrPort{}, w.now)
		in := w.hear(1, 1, body)
		for _, m := range in.feed {
			checkFeed(t, w, m)
		}
		for _, p := range in.send {
			if len(p.packet) > packetMax || p.recipient == 0 {
				t.Errorf("sends %d bytes to %d", len(p.packet), p.recipient)
			}
		}
		checkOthers(t, w, seats)
	})
}

// checkOthers wants nobody but member 1, whose key is lost, to have another announcement.
func checkOthers(t *testing.T, w *wall, seats []seat) {
	t.Helper()
	for i, s := range seats {
		if got, _ := w.newest(uint16(i)); i != 1 && got != s.announcement {
			t.Fatalf("member %d moved to %+v", i, got)
		}
	}
}

// checkFeed wants a message for memberlist to be one that cannot hurt it.
func checkFeed(t *testing.T, w *wall, m []byte) {
	t.Helper()
	parts, err := splitList(m)
	if err != nil || len(parts) != 1 {
		t.Fatalf("memberlist would read %x", m)
	}
	switch kind(m[0]) {
	case kindPing, kindAck, kindNack:
	case kindSuspect, kindDead:
		var c listClaim
		if err := decodeList(m[1:], &c); err != nil {
			t.Fatal(err)
		}
		subject, known := w.byName[c.Node]
		if _, from := w.byName[c.From]; !known || !from {
			t.Fatalf("memberlist would read %+v", c)
		}
		if kind(m[0]) == kindDead && (subject != 1 || c.From != c.Node) {
			t.Fatalf("memberlist would read that %d is dead", subject)
		}
	case kindAlive:
		var a listAlive
		if err := decodeList(m[1:], &a); err != nil {
			t.Fatal(err)
		}
		subject, known := w.byName[a.Node]
		if !known || !fiction(subject).Equal(a.Addr) || a.Port != fictionPort ||
			len(a.Meta) != 0 || !bytes.Equal(a.Vsn, listVersions()) {
			t.Fatalf("memberlist would read %+v", a)
		}
	default:
		t.Fatalf("memberlist would read kind %d", m[0])
	}
}

// FuzzStream is FuzzPacket for what comes over streams.
func FuzzStream(f *testing.F) {
	w := newWall(f)
	var opinions []opinion
	for i := range uint16(4) {
		a, _ := w.newest(i)
		opinions = append(opinions, opinion{State(i + 1), a})
	}
	f.Add(encodeState(opinions), false)
	f.Add(encodeState(nil), true)
	f.Add(pingMessage{3}.appendTo(nil), false)
	f.Add(ackMessage{3}.appendTo(nil), true)
	f.Add(binary.BigEndian.AppendUint16([]byte{byte(kindState)}, 0xffff), true)
	f.Add([]byte{byte(kindUser), 1}, false)
	seats := slices.Clone(w.seats)
	f.Fuzz(func(t *testing.T, body []byte, answer bool) {
		w.reset(seats)
		if len(body) > 0 && kind(body[0]) == kindState {
			if opinions, why := readState(body[1:], w.members); why == accepted &&
				!bytes.Equal(encodeState(opinions), body) {
				t.Errorf("decoded %x, encodes to %x", body, encodeState(opinions))
			}
		}
		fed, why := w.receiveStream(1, body, answer)
		if (why == accepted) != (fed != nil) {
			t.Fatalf("refusal %v with %d bytes for memberlist", why, len(fed))
		}
		if why == accepted && kind(fed[0]) == kindState {
			nodes, err := decodeListState(fed[1:])
			if err != nil || len(nodes) > len(w.members) {
				t.Fatalf("memberlist would read %+v, %v", nodes, err)
			}
			for _, n := range nodes {
				subject, known := w.byName[n.Name]
				if !known || !fiction(subject).Equal(n.Addr) || len(n.Vsn) != 6 ||
					n.State != listStateAlive && subject > 1 {
					t.Fatalf("memberlist would read %+v", n)
				}
			}
		}
		w.greetingFuzz(t, body)
		checkOthers(t, w, seats)
	})
}

// FuzzRecord gives the fuzzer what a record is decoded from, alone: what is accepted has one
// encoding, is printable, and can be sent to.
func FuzzRecord(f *testing.F) {
	w := newWall(f)
	for i := range uint16(4) {
		a, _ := w.newest(i)
		f.Add(a.appendTo(nil))
	}
	six := w.said(1, 7, 3)
	six.record.SwimAddr = "[2001:db8::1]:7946"
	six.sign(w.cluster, w.keys[1])
	f.Add(six.appendTo(nil))
	f.Add(make([]byte, announcementMax))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &reader{rest: b}
		a, why := readAnnouncement(r, w.members)
		if (why == accepted) != (a != nil) {
			t.Fatalf("refusal %v with %+v", why, a)
		}
		if why != accepted {
			return
		}
		if got := a.appendTo(nil); !bytes.Equal(got, b[:len(b)-len(r.rest)]) || len(got) != a.size() {
			t.Errorf("decoded %x, encodes to %x", b, got)
		}
		if _, err := netip.ParseAddrPort(a.record.SwimAddr); err != nil {
			t.Error(err)
		}
		for _, c := range []byte(a.record.TransportAddr + a.record.ClientAddr) {
			if c <= ' ' || c > '~' {
				t.Errorf("%q is shown to people", c)
			}
		}
		a.authentic(w.cluster)
	})
}

// greetingFuzz wants a greeting to be refused or to name a member.
func (w *wall) greetingFuzz(t *testing.T, b []byte) {
	t.Helper()
	if g, why := w.readGreeting(b); why == accepted && int(g.sender) >= len(w.members) {
		t.Fatalf("greeting of %d", g.sender)
	}
}

// M64: what the window refuses costs no signature check, however often it comes: replays of a
// genuine packet use up nobody's bucket.
func TestFirewall_ReplaysCostNoCheck(t *testing.T) {
	w := newWall(t)
	h := header{sender: 1, run: 5, recipientRun: 5, sequence: 1}
	packet := sealPacket(w.cluster, w.keys[1], h, pingMessage{1}.appendTo(nil))
	for range 2 * strangerMax {
		w.receive(packet, netip.AddrPort{}, w.now)
	}
	if got := w.tally.snapshot()["rate_limited"]; got != 0 {
		t.Errorf("%d replays were about to be checked", got)
	}
	h.sequence = 2
	packet = sealPacket(w.cluster, w.keys[1], h, pingMessage{2}.appendTo(nil))
	if got := w.receive(packet, netip.AddrPort{}, w.now); len(got.feed)+len(got.send) == 0 {
		t.Errorf("after the flood a genuine packet is refused: %v", w.tally.snapshot())
	}
}
