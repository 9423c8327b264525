package loop_test

import (
	"testing"

	"byzd/crypto"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
)

// person is a client with a key of its own, who believes f+1 equal replies of distinct members.
type person struct {
	s       *play
	key     crypto.NetworkKey
	session uint64
	next    uint64
}

// request signs an operation, or a REGISTER if there is no session yet.
func (c *person) request(op []byte) *message.ClientRequest {
	c.next++
	r := &message.ClientRequest{Session: c.session, Seq: c.next, Ack: c.next, Op: op}
	if c.session == 0 {
		r.Ack = 0
	}
	message.SealClientRequest(c.s.cfg.RequestDomain(), c.key, r)
	return r
}

// bring hands a request to a node.
func (c *person) bring(i int, r *message.ClientRequest) {
	c.s.t.Helper()
	c.s.tag++
	if !c.s.players[i].loop.Submit(message.Item{Signed: r}, "person", c.s.tag) {
		c.s.t.Fatalf("node %d is busy", i)
	}
	c.s.runFor(1000, nil)
}

// replies counts the members that gave each reply to a request, and returns what one said first.
func (c *person) replies(
	r *message.ClientRequest, member int,
) (count map[crypto.Digest]int, said *message.Reply) {
	c.s.t.Helper()
	count = map[crypto.Digest]int{}
	for i, p := range c.s.players {
		seen := map[crypto.Digest]bool{}
		for _, reply := range p.replies {
			if reply.Client != r.Client || reply.Seq != r.Seq || r.Session != 0 && reply.Session != r.Session {
				continue
			}
			if err := reply.Verify(c.s.cfg); err != nil || reply.Member != i {
				c.s.t.Errorf("a reply of member %d does not verify: %v", i, err)
			}
			if !seen[reply.Leaf()] {
				seen[reply.Leaf()] = true
				count[reply.Leaf()]++
			}
			if i == member && said == nil {
				said = reply
			}
		}
	}
	return count, said
}

// believed returns the reply that f+1 members gave, which member also did, or nil.
func (c *person) believed(r *message.ClientRequest) *message.Reply {
	for i := range c.s.players {
		count, said := c.replies(r, i)
		if said != nil && count[said.Leaf()] >= c.s.cfg.Sizes.Weak {
			return said
		}
	}
	return nil
}

// value reads a key in a node's store, past all protocol.
func (p *player) value(t *testing.T, key string) string {
	t.Helper()
	op, err := kv.Encode(kv.Range{Key: []byte(key)})
	if err != nil {
		t.Fatal(err)
	}
	return firstValue(t, p.store.Clone().Apply(op))
}

func firstValue(t *testing.T, result []byte) string {
	t.Helper()
	r, err := kv.DecodeResult(result)
	if err != nil {
		t.Fatalf("a result does not decode: %v", err)
	}
	if len(r.KVs) == 0 {
		return ""
	}
	return string(r.KVs[0].Value)
}

// ask brings a plain operation to a node and returns what its client is told, "silence" included.
func (s *play) ask(i int, client string, op kv.Op) (loop.Result, bool) {
	s.t.Helper()
	tag := s.submit(i, client, op)
	s.runFor(1000, nil)
	r, told := s.players[i].results[tag]
	return r, told
}

// A client of the node that confirms and forgets is fooled; one that wants f+1 replies is not.
func TestAckAndForget(t *testing.T) {
	s := newPlay(t, 4, 0)
	s.arm(3, nil, "ack-and-forget")
	r, told := s.ask(3, "trusting", kv.Put{Key: []byte("k"), Value: []byte("v")})
	if res, err := kv.DecodeResult(r.Value); !told || err != nil || res.Code != kv.CodeOK {
		t.Errorf("its client was not told that all went well: %v, %v", res, err)
	}
	for i, p := range s.players {
		if got := p.value(t, "k"); got != "" {
			t.Errorf("node %d executed the put: %q", i, got)
		}
	}
	s.doubter(t, 1)
}

// A client of the node that processes and keeps silent waits in vain, although it was served.
func TestProcessAndMute(t *testing.T) {
	s := newPlay(t, 4, 0)
	s.arm(3, nil, "process-and-mute")
	if r, told := s.ask(3, "patient", kv.Put{Key: []byte("k"), Value: []byte("v")}); told {
		t.Errorf("its client was answered: %v", r)
	}
	for i, p := range s.players {
		if got := p.value(t, "k"); got != "v" {
			t.Errorf("node %d has %q", i, got)
		}
	}
	s.doubter(t, 0)
}

// Clients of the node that contradicts itself read different values of one key.
func TestContradict(t *testing.T) {
	s := newPlay(t, 4, 0)
	s.arm(3, nil, "contradict")
	s.ask(1, "writer", kv.Put{Key: []byte("k"), Value: []byte("truth")})
	read := map[string]bool{}
	for _, client := range []string{"ann", "bob"} {
		r, told := s.ask(3, client, kv.Range{Key: []byte("k")})
		if !told {
			t.Fatalf("%s was told nothing", client)
		}
		read[firstValue(t, r.Value)] = true
	}
	if len(read) != 2 || read["truth"] {
		t.Errorf("ann and bob read %v", read)
	}
	s.doubter(t, 1)
}

// Clients of the node that lies in its replies all read the same wrong value.
func TestLieReply(t *testing.T) {
	s := newPlay(t, 4, 0)
	s.arm(3, nil, "lie-reply")
	s.ask(1, "writer", kv.Put{Key: []byte("k"), Value: []byte("truth")})
	read := map[string]bool{}
	for _, client := range []string{"ann", "bob"} {
		r, _ := s.ask(3, client, kv.Range{Key: []byte("k")})
		read[firstValue(t, r.Value)] = true
	}
	if len(read) != 1 || read["truth"] {
		t.Errorf("ann and bob read %v", read)
	}
	r, _ := s.ask(1, "carl", kv.Range{Key: []byte("k")})
	if got := firstValue(t, r.Value); got != "truth" {
		t.Errorf("the client of a correct node reads %q", got)
	}
	s.doubter(t, 1)
}

// doubter plays a client that trusts no node: it asks the traitor (3) first, then a correct node,
// and in the end believes what is true. alone is how many members give the traitor's own answer.
func (s *play) doubter(t *testing.T, alone int) {
	t.Helper()
	c := &person{s: s, key: crypto.NewNetworkKey([32]byte{9})}
	register := c.request(nil)
	c.bring(1, register)
	session := c.believed(register)
	if session == nil || session.Outcome != uint8(pbft.Registered) {
		t.Fatalf("no session: %+v", session)
	}
	c.session = session.Session
	for _, op := range []kv.Op{
		kv.Put{Key: []byte("d"), Value: []byte("doubt")}, kv.Range{Key: []byte("d")},
	} {
		data, err := kv.Encode(op)
		if err != nil {
			t.Fatal(err)
		}
		r := c.request(data)
		c.bring(3, r)
		c.bring(1, r) // nothing was believed, or it wants to be sure
		count, lie := c.replies(r, 3)
		if alone == 0 && lie != nil || alone > 0 && (lie == nil || count[lie.Leaf()] != alone) {
			t.Errorf("the traitor's answer %v is given by other than %d members", lie, alone)
		}
		truth := c.believed(r)
		if truth == nil || truth.Member == 3 {
			t.Fatalf("no correct reply to %T is believed: %v", op, count)
		}
		if res, err := kv.DecodeResult(truth.Result); err != nil || res.Code != kv.CodeOK ||
			len(res.KVs) > 0 && string(res.KVs[0].Value) != "doubt" {
			t.Errorf("what is believed of %T is wrong: %+v, %v", op, res, err)
		}
	}
	for _, i := range s.correct() {
		if got := s.players[i].value(t, "d"); got != "doubt" {
			t.Errorf("node %d has %q", i, got)
		}
	}
	if s.fired() == 0 {
		t.Error("no lie was told")
	}
	s.agree()
	s.proven(nil)
}
