package loop

import (
	"encoding/binary"
	"fmt"

	"byzd/crypto"
	"byzd/daemon/kv"
	"byzd/pbft/traitor"
)

// Forger makes a traitor's lies about the results of the key-value store. It implements
// [traitor.Forger].
type Forger struct{}

var _ traitor.Forger = Forger{}

// Ack returns the result that an operation might have had: a write went well at a made-up
// revision, a read found nothing.
func (Forger) Ack(op []byte) (result []byte) {
	r := kv.Result{Revision: madeUp(op)}
	decoded, err := kv.Decode(op)
	if err != nil {
		return kv.EncodeResult(r)
	}
	switch op := decoded.(type) {
	case kv.CompareAndSwap, kv.Transfer:
		r.Succeeded = true
	case kv.Txn:
		r.Succeeded = true
		for range op.Success {
			r.Responses = append(r.Responses, kv.Result{Revision: r.Revision})
		}
	case kv.Put, kv.Range, kv.DeleteRange:
	}
	return kv.EncodeResult(r)
}

// madeUp is a revision that might be: small, and the same for the same operation.
func madeUp(op []byte) int64 {
	d := crypto.Hash("byzd/traitor/ack", op)
	return 2 + int64(binary.BigEndian.Uint16(d[:]))
}

// Twist returns another result that might have been: other values where there are some, else
// another revision, and the contrary of what succeeded.
func (Forger) Twist(_, result []byte, salt uint64) []byte {
	r, err := kv.DecodeResult(result)
	if err != nil {
		return kv.EncodeResult(kv.Result{Revision: int64(salt%1000) + 2})
	}
	twist(&r, salt)
	for i := range r.Responses {
		twist(&r.Responses[i], salt)
	}
	return kv.EncodeResult(r)
}

func twist(r *kv.Result, salt uint64) {
	r.Code, r.Error = kv.CodeOK, ""
	r.Revision += int64(salt%1000) + 1
	r.Succeeded = !r.Succeeded && len(r.Responses) == 0
	lied := make([]kv.KV, len(r.KVs))
	for i, one := range r.KVs {
		lied[i] = one
		lied[i].Value = fmt.Appendf(nil, "%d", salt%100_000)
	}
	r.KVs = lied
	if r.Deleted > 0 {
		r.Deleted--
	}
}
