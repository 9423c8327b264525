package loop

import (
	"encoding/binary"
	"fmt"
	"slices"

	"byzd/crypto"
	"byzd/daemon/kv/merkle"
	"byzd/pbft"
	"byzd/pbft/message"
)

// The ledger is the part of the replicated state that is not the store's: the client table and the
// replies that are kept for clients who ask again, in a tree of its own. Keys are a letter and
// numbers, so that rows and replies of a session stand in order.
const (
	rowPrefix   = 's' // and the session: a row of the client table
	replyPrefix = 'r' // and the session and the request's number: a reply
)

// keptResult bounds the results that the ledger keeps whole. Of a larger one it keeps the digest:
// who installs the state cannot repeat it, and leaves that to those who executed the request.
const keptResult = 64 << 10

func rowKey(session uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{rowPrefix}, session)
}

func replyKey(session, seq uint64) []byte {
	key := binary.BigEndian.AppendUint64([]byte{replyPrefix}, session)
	return binary.BigEndian.AppendUint64(key, seq)
}

// kept is a reply that its client may ask for again.
type kept struct {
	reply *message.Reply
	gone  bool // its result was too large for the ledger that this node was given
	leaf  crypto.Digest
}

// encodeKept is a reply's value in the ledger: client, batch, outcome, then a flag and the result,
// or the digest that stands for it.
func encodeKept(k *kept) []byte {
	p := k.reply
	out := make([]byte, 0, 32+8+2+len(p.Result))
	out = append(out, p.Client[:]...)
	out = binary.BigEndian.AppendUint64(out, p.Batch)
	out = append(out, p.Outcome)
	if k.gone || len(p.Result) > keptResult {
		out = append(out, 1)
		return append(out, k.leaf[:]...)
	}
	out = append(out, 0)
	return append(out, p.Result...)
}

// decodeKept reads what encodeKept wrote. What is installed is certified, so an error means that a
// quorum certified what no replica can have come to.
func decodeKept(self int, key, value []byte) (*kept, error) {
	if len(key) != 1+16 || len(value) < 32+8+2 {
		return nil, fmt.Errorf("a reply of %d and %d bytes", len(key), len(value))
	}
	p := &message.Reply{
		Member: self, Count: 1,
		Session: binary.BigEndian.Uint64(key[1:]), Seq: binary.BigEndian.Uint64(key[9:]),
	}
	rest := value[copy(p.Client[:], value):]
	p.Batch, p.Outcome = binary.BigEndian.Uint64(rest), rest[8]
	flag, rest := rest[9], rest[10:]
	switch {
	case flag == 0 && len(rest) <= keptResult:
		if len(rest) > 0 {
			p.Result = slices.Clone(rest)
		}
		leaf := p.Leaf()
		p.Root = crypto.MerkleRoot([]crypto.Digest{leaf})
		return &kept{reply: p, leaf: leaf}, nil
	case flag == 1 && len(rest) == len(crypto.Digest{}):
		return &kept{reply: p, gone: true, leaf: crypto.Digest(rest)}, nil
	}
	return nil, fmt.Errorf("a reply of form %d with %d bytes", flag, len(rest))
}

// settle brings the ledger's tree up to date: rows that changed, replies that came and went, and
// with a session that has ended all that was kept for it.
func (x *executor) settle(rows []pbft.Row) {
	edit := x.ledger.Edit()
	for _, row := range rows {
		if row.Data != nil {
			edit.Set(rowKey(row.Session), row.Data)
			continue
		}
		edit.Delete(rowKey(row.Session))
		for seq := range x.replies[row.Session] {
			x.touched[message.RequestKey{Session: row.Session, Seq: seq}] = true
		}
		delete(x.replies, row.Session)
	}
	for key := range x.touched {
		if k := x.replies[key.Session][key.Seq]; k != nil {
			edit.Set(replyKey(key.Session, key.Seq), encodeKept(k))
		} else {
			edit.Delete(replyKey(key.Session, key.Seq))
		}
	}
	clear(x.touched)
	x.ledger = edit.Tree()
}

// readLedger takes the client table and the kept replies out of a ledger's tree.
func (x *executor) readLedger(tree merkle.Tree) (
	clients *pbft.ClientTable, replies map[uint64]map[uint64]*kept, err error,
) {
	clients, err = pbft.RestoreClients(x.cfg, func(yield func(pbft.Row) bool) {
		tree.Ascend([]byte{rowPrefix}, []byte{rowPrefix + 1}, func(key, value []byte) bool {
			if len(key) != 1+8 {
				err = fmt.Errorf("a row under a key of %d bytes", len(key))
				return false
			}
			return yield(pbft.Row{Session: binary.BigEndian.Uint64(key[1:]), Data: value})
		})
	})
	if err != nil {
		return nil, nil, err
	}
	replies = map[uint64]map[uint64]*kept{}
	tree.Ascend([]byte{replyPrefix}, []byte{replyPrefix + 1}, func(key, value []byte) bool {
		var k *kept
		if k, err = decodeKept(x.sealer.Self, key, value); err != nil {
			return false
		}
		rows := replies[k.reply.Session]
		if rows == nil {
			rows = map[uint64]*kept{}
			replies[k.reply.Session] = rows
		}
		rows[k.reply.Seq] = k
		return true
	})
	if err != nil {
		return nil, nil, err
	}
	return clients, replies, nil
}
