package judge

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"

	"byzd/crypto"
	"byzd/daemon/journal"
	"byzd/pbft/message"
)

// History is what the journals of some nodes say. It is filled log by log and then judged. One
// goroutine owns it.
type History struct {
	Config *message.Config // of the first epoch
	// Numbered says that nodes are called by their numbers, as in a testnet; else by their names.
	Numbered bool
	Logs     []*Log
	// Progress is told how far a long check is; nil for nobody.
	Progress func(what string, done, total int)
	// Notice is told at once what a long wait is for; nil for nobody.
	Notice func(text string)

	people  []person
	eras    []*era                                // each after the one before it
	ends    map[uint64][]*message.EpochProof      // that an epoch ended, as the logs say
	decoded map[[sha256.Size]byte]*message.Record // each record once, whoever keeps it
	unheard []heard
	headers map[crypto.Digest]*message.Header
	batches map[crypto.Digest]*message.Batch // whose bodies fit their headers
	states  map[crypto.Digest]*state         // by their roots, those that a quorum certified
	checked int                              // signatures
}

// heard is a message of an epoch that nothing leads to yet.
type heard struct {
	message.Message

	epoch uint64
}

// Log is one node's journal.
type Log struct {
	Node    int    // the node's number; -1 as long as nothing tells
	Label   string // what to call it as long as it has no number
	Traitor bool   // what it executed does not count; what others signed in it does
	// Gap is why the journal is missing or ends early; nil if it was read whole.
	Gap error
	// First is the number of the first record that is kept, 1 unless the log was shortened.
	First   uint64
	Records int
	// Last is what the node said before it was stopped; nil if that is not known.
	Last *Last

	unsorted    []filed // records that wait until their epoch is known
	voted       map[uint64]bool
	ends        map[uint64][]*message.EpochProof
	path        []*era // by epoch
	bodies      map[crypto.Digest]*message.Batch
	spoiled     map[crypto.Digest]message.Refusal // bodies that break a rule, and which
	decided     []*claim                          // what batches were executed by
	checkpoints []*message.Checkpoint
	entered     []view   // NEW-VIEWs that its node accepted
	kept        []*state // certified states, as they were found
	states      []*state // those of them that are what they claim
	damaged     []error  // why others are not
	chain       *Chain   // what it executed last
	earlier     []*Chain // what it executed before it was given a state, the latest first
}

// filed is a record as its node wrote it.
type filed struct {
	*message.Record

	as message.RecordType // for what; equal records are decoded once
}

// view is a NEW-VIEW and its epoch.
type view struct {
	*message.NewView

	era *era
}

// claim is a certificate that a batch and all its ancestors are decided.
type claim struct {
	ref    message.Ref
	era    *era                           // whose members made it
	commit *message.Certificate           // either
	stable *message.CheckpointCertificate // or this one
}

// NewHistory returns an empty history of a cluster, from its first epoch's configuration.
func NewHistory(cfg *message.Config) *History {
	h := &History{
		Config: cfg, decoded: map[[sha256.Size]byte]*message.Record{},
		ends:    map[uint64][]*message.EpochProof{},
		headers: map[crypto.Digest]*message.Header{},
		batches: map[crypto.Digest]*message.Batch{},
		states:  map[crypto.Digest]*state{},
	}
	h.begin(cfg, nil, nil)
	return h
}

// Add makes room for the journal of a node (-1 if it is not known whose it is).
func (h *History) Add(node int, traitor bool) *Log {
	l := newLog(node, traitor)
	h.Logs = append(h.Logs, l)
	return l
}

func newLog(node int, traitor bool) *Log {
	return &Log{
		Node: node, Traitor: traitor, bodies: map[crypto.Digest]*message.Batch{},
		spoiled: map[crypto.Digest]message.Refusal{}, voted: map[uint64]bool{},
		ends: map[uint64][]*message.EpochProof{},
	}
}

// Fill reads a journal into a log: each is [journal.Journal.Replay], or [journal.Scan] or
// [journal.ReadStream] over where the journal is. Whatever ends it early becomes the log's Gap, and
// what came before it counts.
func (h *History) Fill(l *Log, each func(fn func(lsn uint64, r journal.Record) error) error) {
	l.Gap = each(func(lsn uint64, raw journal.Record) error {
		if l.Records == 0 {
			l.First = lsn
		}
		rec, err := h.decode(raw)
		if err != nil {
			return fmt.Errorf("record %d: %w", lsn, err)
		}
		if rec.Batch != nil && rec.Batch.Header.Cluster != h.Config.Cluster {
			return fmt.Errorf("record %d is of cluster %s, this genesis of cluster %s",
				lsn, rec.Batch.Header.Cluster.Short(), h.Config.Cluster.Short())
		}
		l.Records++
		l.file(message.RecordType(raw.Type), rec)
		return nil
	})
}

// decode reads a record, and finds equal ones of other nodes again: batches and certificates are
// the bulk of every journal, and mostly the same.
func (h *History) decode(raw journal.Record) (*message.Record, error) {
	t := message.RecordType(raw.Type)
	class := t
	switch t {
	case message.RecordVote, message.RecordCheckpoint, message.RecordReserved:
		return message.DecodeRecord(t, raw.Version, raw.Body) // a node's own, and small
	case message.RecordCommitted:
		class = message.RecordHigh // of one form
	default:
	}
	sum := sha256.New()
	sum.Write([]byte{byte(class), raw.Version})
	sum.Write(raw.Body)
	key := [sha256.Size]byte(sum.Sum(nil))
	if rec := h.decoded[key]; rec != nil {
		return rec, nil
	}
	rec, err := message.DecodeRecord(t, raw.Version, raw.Body)
	if err != nil {
		return nil, err
	}
	h.decoded[key] = rec
	if rec.End != nil {
		epoch := rec.End.Manifest.Header.Epoch
		h.ends[epoch] = append(h.ends[epoch], rec.End)
	}
	return rec, nil
}

// file keeps a record until it is known what its epoch is. When a journal is cut, what matters of
// its front is written anew at its end, so the proof of an epoch's end may come late. Of votes,
// which are most of a journal and not signed in it, one of each epoch tells whose log it is.
func (l *Log) file(as message.RecordType, rec *message.Record) {
	switch as {
	case message.RecordVote:
		if l.voted[rec.Epoch] {
			return
		}
		l.voted[rec.Epoch] = true
	case message.RecordEpoch:
		epoch := rec.End.Manifest.Header.Epoch
		if !slices.Contains(l.ends[epoch], rec.End) {
			l.ends[epoch] = append(l.ends[epoch], rec.End)
		}
	case message.RecordReserved, message.RecordAmnesia:
		return
	default:
	}
	l.unsorted = append(l.unsorted, filed{rec, as})
}

// sortLog sorts the records of a log whose epoch is known, and its states.
func (h *History) sortLog(l *Log) {
	l.path = nil // what was read since may lead further
	var rest []filed
	for _, f := range l.unsorted {
		epoch := f.Epoch
		if f.Batch != nil {
			epoch = f.Batch.Header.Epoch
		}
		if e := h.eraOf(l, epoch); e != nil {
			h.note(l, e, f)
		} else {
			rest = append(rest, f)
		}
	}
	l.unsorted = rest
	h.sortStates(l)
}

// note sorts a record into its node's log, and what members signed in it into its era.
func (h *History) note(l *Log, e *era, f filed) {
	if !e.seen[f.Record] {
		e.seen[f.Record] = true
		e.said.add(e.cfg, f.Record)
	}
	switch f.as {
	case message.RecordBatch:
		h.noteBatch(l, e, f.Batch)
	case message.RecordCommitted:
		l.decided = append(l.decided, &claim{ref: f.Cert.Ref(), era: e, commit: f.Cert})
	case message.RecordStable:
		l.decided = append(l.decided, &claim{ref: f.Stable.Ref(), era: e, stable: f.Stable})
	case message.RecordEpoch:
		c := f.End.Certificate
		l.decided = append(l.decided, &claim{ref: c.Ref(), era: e, stable: c})
	case message.RecordCheckpoint:
		l.checkpoints = append(l.checkpoints, f.Checkpoint)
		l.isOf(e.node(f.Checkpoint.Voter))
	case message.RecordView:
		l.entered = append(l.entered, view{f.NewView, e})
	case message.RecordVote:
		l.isOf(e.node(f.Vote.Voter))
	default: // the rest is what members signed; see statements
	}
}

// isOf learns whose journal this is from what its node said in it.
func (l *Log) isOf(node int) {
	if l.Node < 0 {
		l.Node = node
	}
}

func (h *History) noteBatch(l *Log, e *era, b *message.Batch) {
	d := b.Header.Digest()
	l.bodies[d] = b
	h.learnHeader(&b.Header)
	if h.batches[d] == b {
		return
	}
	if why := b.CheckBody(e.cfg); why != "" {
		l.spoiled[d] = why
		return
	}
	if h.batches[d] == nil {
		h.batches[d] = b
	}
}

// correct lists the logs of nodes that are not traitors.
func (h *History) correct() []*Log {
	var logs []*Log
	for _, l := range h.Logs {
		if !l.Traitor {
			logs = append(logs, l)
		}
	}
	return logs
}

// Gaps returns how many journals could not be read whole.
func (h *History) Gaps() int {
	count := 0
	for _, l := range h.Logs {
		if l.Gap != nil {
			count++
		}
	}
	return count
}

func (h *History) progress(what string, done, total int) {
	if h.Progress != nil {
		h.Progress(what, done, total)
	}
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
