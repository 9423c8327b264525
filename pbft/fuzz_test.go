package pbft_test

import (
	"fmt"
	"testing"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// schedule draws a walk's dice from a byte string: a byte each, so that what follows a changed byte
// stays the same dice.
type schedule struct{ rest []byte }

func (s *schedule) Uint64() uint64 {
	const low = 1<<56/2 - 1 // never 0: an even choice out of few is not thrown again
	if len(s.rest) == 0 {
		return low
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return uint64(b)<<56 | low
}

// maxSchedule bounds one run of [FuzzStep]: some hundred steps.
const maxSchedule = 4096

// FuzzStep gives the fuzzer the dice of a random walk: who is next, what is delivered, lost,
// doubled or cut off, when syncs return, who crashes with how much on its disk, how time passes,
// what the traitor is and when it lies. Honest replicas must sign and execute nothing that
// contradicts, accuse nobody who is honest, never halt and never panic.
func FuzzStep(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(uint8(seed), drawn(seed))
	}
	f.Fuzz(func(t *testing.T, kind uint8, dice []byte) {
		source := &schedule{rest: dice[:min(len(dice), maxSchedule)]}
		// Seven replicas (every fifth seed) cost four times as much and show little more here.
		seed := uint64(kind)%4 + 1
		w := newWalkOf(seed, source)
		for step := 0; len(source.rest) > 0; step++ {
			w.step(step)
			if w.check(t) {
				return
			}
		}
		oneOrder(t, w.net, w.strayed)
	})
}

// drawn is a schedule of a thousand dice that follows from a seed.
func drawn(seed uint64) []byte {
	dice, x := make([]byte, 1000), seed*2654435761+1
	for i := range dice {
		x = x*6364136223846793005 + 1442695040888963407
		dice[i] = byte(x >> 56)
	}
	return dice
}

// oneOrder fails unless the honest replicas executed prefixes of one order; the one whose state was
// damaged, if any, is not asked.
func oneOrder(t *testing.T, net *pbfttest.Network, damaged int) {
	t.Helper()
	var longest []string
	for i, node := range net.Nodes {
		if i != damaged && !net.Traitors[i] && len(node.Applied) > len(longest) {
			longest = node.Applied
		}
	}
	for i, node := range net.Nodes {
		for k, op := range node.Applied {
			if i != damaged && !net.Traitors[i] && longest[k] != op {
				t.Fatalf("replica %d executed %q in place %d, another one %q", i, op, k, longest[k])
			}
		}
	}
}

// FuzzStepFrame gives the fuzzer a member's pen: any frame, whose signatures are made good where it
// asks for that, comes to a replica in the middle of its work. It never panics or halts, and what
// is refused leaves it where it stands (O19). Not more than that: of votes, complaints and
// VIEW-CHANGEs that count for nothing any more the newest are kept, for the start fence of their
// author (R14).
func FuzzStepFrame(f *testing.F) {
	var frames [][]byte
	base := func() *pbfttest.Network {
		net := pbfttest.New(4, params())
		net.Pass = func(e pbfttest.Envelope) bool {
			frames = append(frames, message.Encode(net.Config.Epoch, e.Msg))
			return true
		}
		for i := range net.Nodes {
			net.Submit(i, "op")
			net.Run()
		}
		net.Crash(0)
		net.Submit(1, "late")
		net.RunFor(4000)
		net.Pass = nil
		return net
	}
	net := base()
	cfg := *net.Config
	var err error
	if cfg.Scheme, err = crypto.SchemeByName(crypto.SchemeEd25519); err != nil { // it remembers nothing
		f.Fatal(err)
	}
	kinds := map[byte]int{}
	for _, frame := range frames {
		if kinds[frame[0]]++; kinds[frame[0]] <= 3 {
			f.Add(uint8(3), true, frame)
		}
	}
	f.Fuzz(func(t *testing.T, from uint8, sealed bool, frame []byte) {
		sender, to := int(from)%4, 1
		if sender == to {
			sender = 3
		}
		epoch, m, err := message.Decode(frame)
		if err != nil {
			return
		}
		switch m.(type) {
		case *message.FetchState, *message.StatePart, *message.Ready, *message.Announcement:
			return // the loop's own, which no replica gets to see
		}
		if sealed {
			reseal(net, sender, m)
		}
		v, err := message.Verify(&cfg, unseen{}, sender, epoch, m)
		if err != nil {
			return
		}
		r := net.Nodes[to].Replica.Clone()
		before := stands(r)
		why := pbft.Drop("")
		effects := r.Step(pbft.Received{Msg: v})
		for _, e := range effects {
			switch e := e.(type) {
			case pbft.Halt:
				t.Fatalf("one %v of one member halts it: %s", m.Type(), e.Why)
			case pbft.Dropped:
				why = e.Why
			}
		}
		if len(effects) == 1 && why != "" && stands(r) != before {
			t.Errorf("a %v that is refused (%s) moved it: %s\n%s", m.Type(), why, before, stands(r))
		}
		r.Step(pbft.TurnEnd{})
		r.Step(pbft.Tick{Now: net.Now + 10})
	})
}

// stands is where a replica stands, without whom it has heard of.
func stands(r *pbft.Replica) string {
	s := r.State()
	s.HeardMS, s.LastVotes = nil, nil
	return fmt.Sprintf("%+v", s)
}

// reseal makes the signature of a message's sender good, and leaves those of others as they are.
func reseal(net *pbfttest.Network, sender int, m message.Message) {
	sealer := net.Nodes[sender].Sealer
	switch m := m.(type) {
	case *message.Submission:
		sealer.SealBundle(m.Bundle)
	case *message.Vote:
		m.Sig = nil
		sealer.Seal(m)
	default:
		sealer.Seal(m)
	}
}

// unseen has seen no bundle before.
type unseen struct{}

func (unseen) Has(crypto.Digest) bool { return false }
func (unseen) Add(crypto.Digest)      {}
