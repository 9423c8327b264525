package kv

import (
	"encoding/binary"
	"fmt"
)

// KV is an entry as a client sees it. With KeysOnly the value is left out.
type KV struct {
	Key, Value []byte
	// Create and Mod are the revisions that created the key and changed it last; Version counts
	// its writes since its creation.
	Create, Mod, Version int64
}

// Result is the answer to one operation. Fields that an operation does not use are zero.
type Result struct {
	Code Code
	// Error is the text of a code other than CodeOK.
	Error string
	// Revision is the store's after the operation.
	Revision int64
	// KVs, Count and More are what Range found: the entries, how many there are with no limit,
	// and whether a limit hid some. A CompareAndSwap that failed shows in KVs what is there.
	KVs   []KV
	Count int64
	More  bool
	// Deleted is how many keys a DeleteRange removed.
	Deleted int64
	// PrevKVs are entries before they were changed, if asked for.
	PrevKVs []KV
	// Succeeded is which way a transaction or a CompareAndSwap went; a Transfer sets it, too.
	Succeeded bool
	// Responses has one result for each operation that a transaction ran.
	Responses []Result
}

const (
	errorBytesMax = 256
	// kvBytesMin and resultBytesMin are the least that an entry and a result in a list take.
	kvBytesMin     = 4 + 4 + 3*8
	resultBytesMin = 2 + 4 + 8 + 1 + 8 + 8 + 4 + 4 + 4
)

// EncodeResult returns the one encoding of a result. All replicas sign it, so it has to be.
func EncodeResult(r Result) []byte {
	return appendResult([]byte{opFormat}, r)
}

func appendResult(b []byte, r Result) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(r.Code))
	b = appendBytes(b, []byte(r.Error))
	b = appendInt(b, r.Revision)
	var flags uint8
	if r.More {
		flags |= 1
	}
	if r.Succeeded {
		flags |= 2
	}
	b = append(b, flags)
	b = appendInt(b, r.Count)
	b = appendInt(b, r.Deleted)
	b = appendKVs(b, r.KVs)
	b = appendKVs(b, r.PrevKVs)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Responses))) //nolint:gosec // <= TxnOpsMax
	for _, one := range r.Responses {
		b = appendResult(b, one)
	}
	return b
}

func appendKVs(b []byte, kvs []KV) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(kvs))) //nolint:gosec // ResultBytesMax
	for _, kv := range kvs {
		b = appendBytes(b, kv.Key)
		b = appendBytes(b, kv.Value)
		b = appendInt(appendInt(appendInt(b, kv.Create), kv.Mod), kv.Version)
	}
	return b
}

// DecodeResult reads an encoded result. It accepts exactly what [EncodeResult] writes for results
// that [Store.Apply] can give; the slices alias b. Its errors are [ErrMalformed] and
// [ErrTooLarge].
func DecodeResult(b []byte) (Result, error) {
	r := &reader{b: b}
	if format := r.u8(); r.err == nil && format != opFormat {
		return Result{}, fmt.Errorf("%w: unknown format %d", ErrMalformed, format)
	}
	out := r.result()
	n := r.count(resultBytesMin)
	if n > TxnOpsMax {
		r.fail(fmt.Errorf("%w: %d responses", ErrMalformed, n))
	}
	for range n {
		if r.err != nil {
			break
		}
		out.Responses = append(out.Responses, r.result())
		if inner := r.u32(); inner != 0 {
			r.fail(fmt.Errorf("%w: responses in a response", ErrMalformed))
		}
	}
	if err := r.end(); err != nil {
		return Result{}, err
	}
	return out, nil
}

// result reads everything but the responses.
func (r *reader) result() Result {
	out := Result{Code: Code(r.u16())}
	if out.Code >= codeCount {
		r.fail(fmt.Errorf("%w: unknown code %d", ErrMalformed, out.Code))
	}
	out.Error = string(r.bytes(errorBytesMax))
	out.Revision = r.natural()
	flags := r.u8()
	if flags > 3 {
		r.fail(fmt.Errorf("%w: flags %#x", ErrMalformed, flags))
	}
	out.More, out.Succeeded = flags&1 != 0, flags&2 != 0
	out.Count, out.Deleted = r.natural(), r.natural()
	out.KVs, out.PrevKVs = r.kvs(), r.kvs()
	return out
}

func (r *reader) kvs() []KV {
	n := r.count(kvBytesMin)
	if n == 0 {
		return nil
	}
	kvs := make([]KV, 0, n)
	for range n {
		kvs = append(kvs, KV{
			Key: r.key(), Value: r.bytes(ValueBytesMax),
			Create: r.natural(), Mod: r.natural(), Version: r.natural(),
		})
	}
	return kvs
}
