package message

import (
	"bytes"
	"fmt"

	"byzd/crypto"
)

// Version is the version of the wire format. Peers of another version are refused by name.
const Version = 1

// Type tells messages apart on the wire.
type Type uint8

// The messages. Numbers are never reused.
const (
	TypePrePrepare Type = iota + 1
	TypeVote
	TypeCheckpoint
	TypeViewChange
	TypeNewView
	TypeComplain
	TypeStatus
	TypeSubmission
	TypeHave
	TypeFetchBundles
	TypeFetchBatches
	TypeBatchReply
	TypeFetchDecided
	TypeDecided
	TypeProof
	TypeEvidence
	TypeFenceAsk
	TypeFenceAnswer
	TypeEpoch
	TypeReady
	TypeRecover
	TypeRecovery
	TypeOffer
	TypeFetchState
	TypeStatePart
	TypeAnnouncement
	typeEnd
)

// String is the message's name in traces, counters and traitor specifications.
func (t Type) String() string {
	names := [...]string{
		"", "pre-prepare", "vote", "checkpoint", "view-change", "new-view", "complain", "status",
		"submission", "have", "fetch-bundles", "fetch-batches", "batch", "fetch-decided", "decided",
		"proof", "evidence", "fence-ask", "fence-answer", "epoch", "ready",
		"recover", "recovery",
		"offer", "fetch-state", "state-part", "announcement",
	}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type-%d", uint8(t))
}

// Message is one of the messages of this package.
type Message interface {
	Type() Type
	encode(w *writer)
}

// Encode returns the frame of a message of an epoch: type, epoch, body.
func Encode(epoch uint64, m Message) []byte {
	w := writer{buf: make([]byte, 0, 256)}
	w.u8(uint8(m.Type()))
	w.u64(epoch)
	m.encode(&w)
	return w.buf
}

// Decode reads a frame. It accepts exactly what [Encode] writes; the result may alias the frame.
// Nothing is verified yet but the form.
func Decode(frame []byte) (epoch uint64, m Message, err error) {
	r := reader{buf: frame}
	t := Type(r.u8())
	epoch = r.number()
	if r.err == nil && (t == 0 || t >= typeEnd) {
		return 0, nil, fmt.Errorf("%w: message of unknown type %d", ErrMalformed, uint8(t))
	}
	m = decodeBody(t, &r)
	if err := r.done(); err != nil {
		return 0, nil, err
	}
	return epoch, m, nil
}

func decodeBody(t Type, r *reader) Message {
	switch t {
	case TypePrePrepare:
		return decodePrePrepare(r)
	case TypeVote:
		return decodeVote(r)
	case TypeCheckpoint:
		return decodeCheckpoint(r)
	case TypeViewChange:
		return decodeViewChange(r)
	case TypeNewView:
		return decodeNewView(r)
	case TypeComplain:
		return decodeComplain(r)
	case TypeStatus:
		return decodeStatus(r)
	case TypeSubmission:
		return &Submission{Bundle: decodeBundle(r)}
	case TypeHave:
		return &Have{IDs: decodeDigests(r, MaxFetch)}
	case TypeFetchBundles:
		return &FetchBundles{IDs: decodeDigests(r, MaxFetch)}
	case TypeFetchBatches:
		return &FetchBatches{Digests: decodeDigests(r, MaxFetch)}
	case TypeBatchReply:
		return &BatchReply{Batch: decodeBatch(r), Votes: decodeVotes(r)}
	case TypeFetchDecided:
		return &FetchDecided{After: r.number()}
	case TypeDecided:
		return decodeDecided(r)
	case TypeProof:
		return decodeProof(r)
	case TypeEvidence:
		return decodeEvidence(r)
	default:
		return decodeHelp(t, r)
	}
}

// decodeHelp reads what is said to one who has just started, is behind, or joins.
func decodeHelp(t Type, r *reader) Message {
	switch t {
	case TypeFenceAsk:
		return &FenceAsk{Nonce: r.u64()}
	case TypeFenceAnswer:
		return decodeFenceAnswer(r)
	case TypeEpoch:
		return decodeEpochProof(r)
	case TypeReady:
		return decodeReady(r)
	case TypeAnnouncement:
		return decodeAnnouncement(r)
	case TypeRecover:
		return decodeRecover(r)
	case TypeRecovery:
		return decodeRecovery(r)
	case TypeOffer:
		return decodeOffer(r)
	case TypeFetchState:
		return decodeFetchState(r)
	case TypeStatePart:
		return decodeStatePart(r)
	default:
		return nil
	}
}

// Cache remembers bundles whose signatures held, so that each is checked once. It may forget, and
// must be safe for as many goroutines as verify at once.
type Cache interface {
	Has(id crypto.Digest) bool
	Add(id crypto.Digest)
}

// Verified is a message whose every signature and certificate was checked, with the replica that
// it came from (not always its author). Only [Verify] and a [Sealer] make one.
type Verified struct {
	from  int
	epoch uint64
	msg   Message
}

// Epoch is the epoch that it was verified in: numbers of replicas, and statements, mean nothing in
// another one (B53).
func (v Verified) Epoch() uint64 { return v.epoch }

// From is the replica at the other end of the connection, or this replica itself, or [Stranger].
func (v Verified) From() int { return v.from }

// Message is what was verified. It must not be changed.
func (v Verified) Message() Message { return v.msg }

// Stranger in place of a replica's number is a node that is no member of the epoch.
const Stranger = -1

// ProvesItself reports whether a message of an epoch may come from a node that is no member of it:
// it is worth the same from everybody, and is what who is behind needs.
func ProvesItself(m Message) bool {
	switch m.(type) {
	case *EpochProof, *Decided:
		return true
	default:
		return false
	}
}

// Verify checks a message of an epoch that came from a replica, or from a [Stranger] if it proves
// itself. The error is a [Refusal].
func Verify(cfg *Config, cache Cache, from int, epoch uint64, m Message) (Verified, error) {
	if epoch != cfg.Epoch {
		return Verified{}, RefusedEpoch
	}
	if from >= len(cfg.Members) || from < 0 && (from != Stranger || !ProvesItself(m)) {
		return Verified{}, RefusedMember
	}
	if err := verify(cfg, cache, m); err != nil {
		return Verified{}, err
	}
	return Verified{from: from, epoch: cfg.Epoch, msg: m}, nil
}

func verify(cfg *Config, cache Cache, m Message) error {
	switch m := m.(type) {
	case *PrePrepare:
		return m.verify(cfg)
	case *Vote:
		if m.Voter >= len(cfg.Members) {
			return RefusedMember
		}
		return verifyBy(cfg, m.Voter, m.Kind, m.body(), m.Sig)
	case *Checkpoint:
		if m.Voter >= len(cfg.Members) {
			return RefusedMember
		}
		return verifyBy(cfg, m.Voter, crypto.KindCheckpoint, m.body(), m.Sig)
	case *ViewChange:
		return m.verify(cfg)
	case *NewView:
		return m.verify(cfg)
	case *Complain:
		return m.verify(cfg)
	case *Submission:
		return m.verify(cfg, cache)
	case *BatchReply:
		return m.verify(cfg, cache)
	case *Decided:
		return m.verify(cfg)
	case *Proof:
		return m.verify(cfg)
	case *Evidence:
		return m.Verify(cfg)
	case *FenceAnswer:
		return m.verify(cfg)
	case *EpochProof:
		return m.refusal(cfg)
	case *Recovery:
		return m.verify(cfg)
	case *Offer:
		return m.Snapshot.Verify(cfg)
	default: // the rest is advice, and has nothing to check
		return nil
	}
}

// VerifyVotes checks single votes of one statement together, as the scheme does it best: shares of
// an aggregating scheme are added up and checked once. froms are the peers that they came from. The
// verdicts are in the order of the votes; a vote for something else than the first is not good.
func VerifyVotes(cfg *Config, epoch uint64, froms []int, votes []*Vote) ([]Verified, []bool) {
	verified, good := make([]Verified, len(votes)), make([]bool, len(votes))
	if len(votes) == 0 || len(froms) != len(votes) || epoch != cfg.Epoch {
		return verified, good
	}
	kind, body := votes[0].Kind, votes[0].body()
	places := make([]int, 0, len(votes))
	keys := make([]crypto.PublicKey, 0, len(votes))
	sigs := make([][]byte, 0, len(votes))
	for i, v := range votes {
		if v.Voter >= len(cfg.Members) || froms[i] < 0 || froms[i] >= len(cfg.Members) ||
			v.Kind != kind || !bytes.Equal(v.body(), body) {
			continue
		}
		places = append(places, i)
		keys, sigs = append(keys, cfg.Members[v.Voter].Key), append(sigs, v.Sig)
	}
	holds := cfg.Scheme.VerifyShares(keys, cfg.Domain().SignBytes(kind, body), sigs)
	for k, i := range places {
		if good[i] = holds[k]; good[i] {
			verified[i] = Verified{from: froms[i], epoch: cfg.Epoch, msg: votes[i]}
		}
	}
	return verified, good
}
