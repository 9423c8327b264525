package judge

import (
	"crypto/sha256"
	"fmt"

	"byzd/crypto"
	"byzd/daemon/journal"
	"byzd/pbft/message"
)

// History is what the journals of some nodes say. It is filled log by log and then judged. One
// goroutine owns it.
type History struct {
	Config *message.Config
	// Numbered says that nodes are called by their numbers, as in a testnet; else by their names.
	Numbered bool
	Logs     []*Log
	// Progress is told how far a long check is; nil for nobody.
	Progress func(what string, done, total int)
	// Notice is told at once what a long wait is for; nil for nobody.
	Notice func(text string)

	decoded  map[[sha256.Size]byte]*message.Record // each record once, whoever keeps it
	said     statements
	headers  map[crypto.Digest]*message.Header
	batches  map[crypto.Digest]*message.Batch // whose bodies fit their headers
	verified map[any]error                    // certificates that were checked
	checked  int                              // signatures
}

// Log is one node's journal.
type Log struct {
	Node    int    // the member's number; -1 as long as nothing tells
	Label   string // what to call it as long as it has no number
	Traitor bool   // what it executed does not count; what others signed in it does
	// Gap is why the journal is missing or ends early; nil if it was read whole.
	Gap error
	// First is the number of the first record that is kept, 1 unless the log was shortened.
	First   uint64
	Records int
	// Last is what the node said before it was stopped; nil if that is not known.
	Last *Last

	bodies      map[crypto.Digest]bool
	spoiled     map[crypto.Digest]message.Refusal // bodies that break a rule, and which
	decided     []*claim                          // what batches were executed by
	checkpoints []*message.Checkpoint
	entered     []*message.NewView // those that its node accepted
	chain       *Chain
}

// claim is a certificate that a batch and all its ancestors are decided.
type claim struct {
	ref    message.Ref
	commit *message.Certificate           // or
	stable *message.CheckpointCertificate // this one
}

// NewHistory returns an empty history of a cluster.
func NewHistory(cfg *message.Config) *History {
	return &History{
		Config: cfg, decoded: map[[sha256.Size]byte]*message.Record{},
		headers:  map[crypto.Digest]*message.Header{},
		batches:  map[crypto.Digest]*message.Batch{},
		verified: map[any]error{},
	}
}

// Add makes room for the journal of a member (-1 if it is not known whose it is).
func (h *History) Add(node int, traitor bool) *Log {
	l := newLog(node, traitor)
	h.Logs = append(h.Logs, l)
	return l
}

func newLog(node int, traitor bool) *Log {
	return &Log{
		Node: node, Traitor: traitor, bodies: map[crypto.Digest]bool{},
		spoiled: map[crypto.Digest]message.Refusal{},
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
		if rec.Epoch != h.Config.Epoch {
			return fmt.Errorf("record %d is of epoch %d; what is judged ends with epoch %d",
				lsn, rec.Epoch, h.Config.Epoch)
		}
		if rec.Batch != nil && rec.Batch.Header.Cluster != h.Config.Cluster {
			return fmt.Errorf("record %d is of cluster %s, this genesis of cluster %s",
				lsn, rec.Batch.Header.Cluster.Short(), h.Config.Cluster.Short())
		}
		l.Records++
		h.note(l, message.RecordType(raw.Type), rec)
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
	if rec.Epoch == h.Config.Epoch {
		h.said.add(h.Config, rec)
	}
	return rec, nil
}

// note sorts a record into its node's log.
func (h *History) note(l *Log, t message.RecordType, rec *message.Record) {
	switch t {
	case message.RecordBatch:
		h.noteBatch(l, rec.Batch)
	case message.RecordCommitted:
		l.decided = append(l.decided, &claim{ref: rec.Cert.Ref(), commit: rec.Cert})
	case message.RecordStable:
		l.decided = append(l.decided, &claim{ref: rec.Stable.Ref(), stable: rec.Stable})
	case message.RecordCheckpoint:
		l.checkpoints = append(l.checkpoints, rec.Checkpoint)
		l.isOf(rec.Checkpoint.Voter, h.Config)
	case message.RecordView:
		l.entered = append(l.entered, rec.NewView)
	case message.RecordVote:
		l.isOf(rec.Vote.Voter, h.Config)
	default: // the rest is what members signed; see statements
	}
}

// isOf learns whose journal this is from what its node said in it.
func (l *Log) isOf(voter int, cfg *message.Config) {
	if l.Node < 0 && voter < len(cfg.Members) {
		l.Node = voter
	}
}

func (h *History) noteBatch(l *Log, b *message.Batch) {
	d := b.Header.Digest()
	l.bodies[d] = true
	h.learnHeader(&b.Header)
	if h.batches[d] == b {
		return
	}
	if why := b.CheckBody(h.Config); why != "" {
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

// who calls the node of a log by its name, or by where its journal is.
func (h *History) who(l *Log) string {
	if l.Node < 0 && l.Label != "" {
		return l.Label
	}
	return h.name(l.Node)
}

// name calls a member by what people know it by.
func (h *History) name(node int) string {
	switch {
	case node < 0 || node >= len(h.Config.Members):
		return "the node"
	case h.Numbered:
		return fmt.Sprintf("node %d", node)
	default:
		return h.Config.Members[node].Name
	}
}

func (h *History) progress(what string, done, total int) {
	if h.Progress != nil {
		h.Progress(what, done, total)
	}
}
