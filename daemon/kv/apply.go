package kv

import (
	"bytes"
	"cmp"
)

// Apply executes one encoded operation and returns its encoded [Result]. It accepts any bytes and
// never fails otherwise than by the result's code; a code other than CodeOK means that the state
// is as before. Operations that only read leave the state, and the root, as they are.
func (s *Store) Apply(op []byte) (result []byte) {
	decoded, err := Decode(op)
	if err != nil {
		return EncodeResult(s.refuse(codeOf(err)))
	}
	return EncodeResult(s.execute(decoded))
}

func (s *Store) refuse(code Code) Result {
	return Result{Code: code, Error: code.String(), Revision: s.revision}
}

// execute runs a decoded operation as a whole or not at all.
func (s *Store) execute(op Op) Result {
	if code := validate(op); code != CodeOK {
		return s.refuse(code)
	}
	run := &execution{store: s}
	result, code := run.op(op)
	if code != CodeOK {
		s.rollback()
		return s.refuse(code)
	}
	s.commit()
	result.Revision = s.revision
	for i := range result.Responses {
		result.Responses[i].Revision = s.revision
	}
	return result
}

// execution is one operation under way.
type execution struct {
	store *Store
	bytes int64 // returned so far
}

func (x *execution) op(op Op) (Result, Code) {
	switch op := op.(type) {
	case Put:
		return x.put(op)
	case Range:
		return x.ranged(op)
	case DeleteRange:
		return x.deleteRange(op)
	case CompareAndSwap:
		return x.compareAndSwap(op)
	case Transfer:
		return x.transfer(op)
	case Txn:
		return x.txn(op)
	}
	return Result{}, CodeMalformed
}

// show adds an entry to a result, within the bound of the whole result.
func (x *execution) show(kvs *[]KV, e entry, keysOnly bool) Code {
	kv := KV{Key: e.key, Create: e.create, Mod: e.mod, Version: e.version}
	if !keysOnly {
		kv.Value = e.value
	}
	x.bytes += kvBytesMin + int64(len(kv.Key)) + int64(len(kv.Value))
	if x.bytes > ResultBytesMax {
		return CodeResultTooLarge
	}
	*kvs = append(*kvs, kv)
	return CodeOK
}

func (x *execution) put(op Put) (Result, Code) {
	var r Result
	if old, there := x.store.get(op.Key); op.PrevKV && there {
		if code := x.show(&r.PrevKVs, old, false); code != CodeOK {
			return r, code
		}
	}
	return r, x.store.write(op.Key, op.Value)
}

func (x *execution) ranged(op Range) (Result, Code) {
	var r Result
	code := x.revision(op.Revision)
	x.store.visit(op.Key, op.End, func(e entry) bool {
		switch {
		case code != CodeOK:
			return false
		case op.CountOnly:
		case op.Limit > 0 && uint64(len(r.KVs)) >= op.Limit:
			r.More = true
		default:
			code = x.show(&r.KVs, e, op.KeysOnly)
		}
		r.Count++
		return true
	})
	return r, code
}

// revision accepts the newest only: zero, or its number as long as the operation under way has not
// changed anything. After a change in the same transaction the number means, as in etcd, the state
// before it, which is not kept.
func (x *execution) revision(asked int64) Code {
	switch {
	case asked > x.store.revision:
		return CodeFutureRevision
	case asked > 0 && (asked < x.store.revision || len(x.store.undo) > 0):
		return CodeNoHistory
	default:
		return CodeOK
	}
}

func (x *execution) deleteRange(op DeleteRange) (Result, Code) {
	var r Result
	var doomed []entry
	code := CodeOK
	x.store.visit(op.Key, op.End, func(e entry) bool {
		doomed = append(doomed, e)
		if op.PrevKV {
			code = x.show(&r.PrevKVs, e, false)
		}
		return code == CodeOK
	})
	if code != CodeOK {
		return r, code
	}
	if len(doomed) > removedSinglyMax {
		x.store.removeRange(op.Key, op.End)
	} else {
		for _, e := range doomed {
			x.store.remove(e)
		}
	}
	r.Deleted = int64(len(doomed))
	return r, CodeOK
}

func (x *execution) compareAndSwap(op CompareAndSwap) (Result, Code) {
	var r Result
	old, there := x.store.get(op.Key)
	if !there && op.Absent || there && !op.Absent && bytes.Equal(old.value, op.Expect) {
		r.Succeeded = true
		return r, x.store.write(op.Key, op.New)
	}
	if !there {
		return r, CodeOK
	}
	return r, x.show(&r.KVs, old, false)
}

func (x *execution) txn(op Txn) (Result, Code) {
	r := Result{Succeeded: true}
	for _, c := range op.Compares {
		if e, there := x.store.get(c.Key); !c.holds(e, there) {
			r.Succeeded = false
			break
		}
	}
	branch := op.Success
	if !r.Succeeded {
		branch = op.Failure
	}
	for _, one := range branch {
		response, code := x.op(one)
		if code != CodeOK {
			return r, code
		}
		r.Responses = append(r.Responses, response)
	}
	return r, CodeOK
}

// holds compares one key; one that is not there has no value, and zeros for numbers.
func (c Compare) holds(e entry, there bool) bool {
	if !there && c.Target == TargetValue {
		return false
	}
	var order int
	switch c.Target {
	case TargetVersion:
		order = cmp.Compare(e.version, c.Number)
	case TargetCreate:
		order = cmp.Compare(e.create, c.Number)
	case TargetMod:
		order = cmp.Compare(e.mod, c.Number)
	case TargetValue:
		order = bytes.Compare(e.value, c.Value)
	}
	switch c.Operator {
	case Equal:
		return order == 0
	case Greater:
		return order > 0
	case Less:
		return order < 0
	case NotEqual:
		return order != 0
	}
	return false
}
