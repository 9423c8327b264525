package kv

import (
	"encoding/binary"
	"fmt"
)

// opFormat is the first byte of every operation and result.
const opFormat = 1

// Kinds of operations, on the wire.
const (
	kindPut uint8 = iota + 1
	kindRange
	kindDeleteRange
	kindCompareAndSwap
	kindTransfer
	kindTxn
)

// compareBytesMin is the least that a compare takes: an empty key, target, operator, empty value.
const compareBytesMin = 4 + 1 + 1 + 4

// opBytesMin is the least that an operation in a list takes.
const opBytesMin = 1 + 4

// Encode returns the one encoding of op. It refuses what [Decode] would refuse: [ErrTooLarge],
// [ErrTooManyOps], [ErrNested], or [ErrMalformed] for an unknown comparison or for operands that
// the operation does not use.
func Encode(op Op) ([]byte, error) {
	b := appendOp([]byte{opFormat}, op)
	if _, err := Decode(b); err != nil {
		return nil, fmt.Errorf("encode %T: %w", op, err)
	}
	if txn, is := op.(Txn); is {
		if err := txn.unusedOperands(); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// unusedOperands refuses comparisons whose encoding would drop something.
func (t Txn) unusedOperands() error {
	for i, c := range t.Compares {
		if c.Target == TargetValue && c.Number != 0 || c.Target != TargetValue && len(c.Value) > 0 {
			return fmt.Errorf("%w: compare %d has the other target's operand", ErrMalformed, i)
		}
	}
	return nil
}

func appendOp(b []byte, op Op) []byte {
	switch op := op.(type) {
	case Put:
		b = appendBytes(append(b, kindPut), op.Key)
		b = appendBytes(b, op.Value)
		return appendBool(b, op.PrevKV)
	case Range:
		b = appendBytes(append(b, kindRange), op.Key)
		b = appendBytes(b, op.End)
		b = binary.BigEndian.AppendUint64(b, op.Limit)
		b = appendInt(b, op.Revision)
		b = appendBool(b, op.KeysOnly)
		return appendBool(b, op.CountOnly)
	case DeleteRange:
		b = appendBytes(append(b, kindDeleteRange), op.Key)
		b = appendBytes(b, op.End)
		return appendBool(b, op.PrevKV)
	case CompareAndSwap:
		b = appendBytes(append(b, kindCompareAndSwap), op.Key)
		b = appendBool(b, op.Absent)
		b = appendBytes(b, op.Expect)
		return appendBytes(b, op.New)
	case Transfer:
		b = appendBytes(append(b, kindTransfer), op.From)
		b = appendBytes(b, op.To)
		return binary.BigEndian.AppendUint64(b, op.Amount)
	case Txn:
		return appendTxn(append(b, kindTxn), op)
	}
	return append(b, 0) // No operation: Decode refuses it.
}

func appendTxn(b []byte, t Txn) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(t.Compares))) //nolint:gosec // Decode checks
	for _, c := range t.Compares {
		b = append(appendBytes(b, c.Key), byte(c.Target), byte(c.Operator))
		if c.Target == TargetValue {
			b = appendBytes(b, c.Value)
		} else {
			b = appendInt(b, c.Number)
		}
	}
	for _, ops := range [][]Op{t.Success, t.Failure} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(ops))) //nolint:gosec // Decode checks
		for _, op := range ops {
			b = appendOp(b, op)
		}
	}
	return b
}

// Decode reads an encoded operation. It accepts exactly what [Encode] writes; the slices in the
// operation alias b. Its errors are [ErrMalformed], [ErrTooLarge], [ErrTooManyOps], [ErrNested].
func Decode(b []byte) (Op, error) {
	if len(b) > OpBytesMax {
		return nil, fmt.Errorf("%w: operation of %d bytes, limit %d", ErrTooLarge, len(b),
			OpBytesMax)
	}
	r := &reader{b: b}
	if format := r.u8(); r.err == nil && format != opFormat {
		return nil, fmt.Errorf("%w: unknown format %d", ErrMalformed, format)
	}
	var op Op
	if kind := r.u8(); kind == kindTxn {
		op = r.txn()
	} else {
		op = r.simpleOp(kind)
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return op, nil
}

// simpleOp reads every operation but a transaction.
func (r *reader) simpleOp(kind uint8) Op {
	switch kind {
	case kindPut:
		return Put{Key: r.key(), Value: r.bytes(ValueBytesMax), PrevKV: r.boolean()}
	case kindRange:
		return Range{
			Key: r.key(), End: r.key(), Limit: r.u64(), Revision: r.natural(),
			KeysOnly: r.boolean(), CountOnly: r.boolean(),
		}
	case kindDeleteRange:
		return DeleteRange{Key: r.key(), End: r.key(), PrevKV: r.boolean()}
	case kindCompareAndSwap:
		return r.compareAndSwap()
	case kindTransfer:
		return Transfer{From: r.key(), To: r.key(), Amount: r.u64()}
	}
	r.fail(fmt.Errorf("%w: unknown operation %d", ErrMalformed, kind))
	return nil
}

func (r *reader) key() []byte { return r.bytes(KeyBytesMax) }

func (r *reader) compareAndSwap() Op {
	key, absent := r.key(), r.boolean()
	expect, swap := r.bytes(ValueBytesMax), r.bytes(ValueBytesMax)
	if absent && len(expect) > 0 {
		r.fail(fmt.Errorf("%w: a value is expected of an absent key", ErrMalformed))
	}
	return CompareAndSwap{Key: key, Absent: absent, Expect: expect, New: swap}
}

func (r *reader) txn() Op {
	var t Txn
	n := r.listLength(compareBytesMin)
	for range n {
		t.Compares = append(t.Compares, r.compare())
	}
	t.Success = r.branch()
	t.Failure = r.branch()
	return t
}

// listLength reads the length of a list of a transaction.
func (r *reader) listLength(size int) int {
	n := r.count(size)
	if n > TxnOpsMax {
		r.fail(fmt.Errorf("%w: %d, limit %d", ErrTooManyOps, n, TxnOpsMax))
		return 0
	}
	return n
}

func (r *reader) compare() Compare {
	c := Compare{Key: r.key(), Target: Target(r.u8()), Operator: Operator(r.u8())}
	if c.Target > TargetValue || c.Operator > NotEqual {
		r.fail(fmt.Errorf("%w: compare %d with %d", ErrMalformed, c.Target, c.Operator))
	}
	if c.Target == TargetValue {
		c.Value = r.bytes(ValueBytesMax)
	} else {
		c.Number = r.i64()
	}
	return c
}

func (r *reader) branch() []Op {
	n := r.listLength(opBytesMin)
	var ops []Op
	for range n {
		kind := r.u8()
		switch kind {
		case kindPut, kindRange, kindDeleteRange:
			ops = append(ops, r.simpleOp(kind))
		case kindCompareAndSwap, kindTransfer, kindTxn:
			r.fail(fmt.Errorf("%w: kind %d", ErrNested, kind))
		default:
			r.fail(fmt.Errorf("%w: unknown operation %d", ErrMalformed, kind))
		}
	}
	return ops
}
