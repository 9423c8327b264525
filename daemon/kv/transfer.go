package kv

import (
	"math"
	"strconv"
)

func (x *execution) transfer(op Transfer) (Result, Code) {
	from, code := x.balance(op.From)
	if code != CodeOK {
		return Result{}, code
	}
	to, code := x.balance(op.To)
	if code != CodeOK {
		return Result{}, code
	}
	if from < op.Amount {
		return Result{}, CodeInsufficient
	}
	if to > math.MaxUint64-op.Amount {
		return Result{}, CodeOverflow
	}
	if code := x.setBalance(op.From, from-op.Amount); code != CodeOK {
		return Result{}, code
	}
	return Result{Succeeded: true}, x.setBalance(op.To, to+op.Amount)
}

// balance reads an account. Only the canonical form counts as a number, so that a transfer of
// nothing does not change how an account is written.
func (x *execution) balance(key []byte) (uint64, Code) {
	e, there := x.store.get(key)
	if !there {
		return 0, CodeNoAccount
	}
	text := string(e.value)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return 0, CodeNotANumber
	}
	return n, CodeOK
}

func (x *execution) setBalance(key []byte, n uint64) Code {
	return x.store.write(key, strconv.AppendUint(nil, n, 10))
}
