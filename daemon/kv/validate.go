package kv

import "bytes"

// validate checks what the encoding cannot say. It looks at the operation alone, so that a bad one
// is refused whatever the state; both lists of a transaction are checked, as in etcd.
func validate(op Op) Code {
	switch op := op.(type) {
	case Put:
		return needKeys(op.Key)
	case Range:
		return needKeys(op.Key)
	case DeleteRange:
		return needKeys(op.Key)
	case CompareAndSwap:
		return needKeys(op.Key)
	case Transfer:
		if bytes.Equal(op.From, op.To) && len(op.From) > 0 {
			return CodeSameAccount
		}
		return needKeys(op.From, op.To)
	case Txn:
		return validateTxn(op)
	}
	return CodeMalformed
}

func needKeys(keys ...[]byte) Code {
	for _, key := range keys {
		if len(key) == 0 {
			return CodeEmptyKey
		}
	}
	return CodeOK
}

func validateTxn(t Txn) Code {
	for _, c := range t.Compares {
		if code := needKeys(c.Key); code != CodeOK {
			return code
		}
	}
	for _, branch := range [][]Op{t.Success, t.Failure} {
		for _, op := range branch {
			if code := validate(op); code != CodeOK {
				return code
			}
		}
		if writesTwice(branch) {
			return CodeDuplicateKey
		}
	}
	return CodeOK
}

// writesTwice reports whether a key is put twice, or put and deleted. Lists are short.
func writesTwice(branch []Op) bool {
	puts := make(map[string]bool)
	for _, op := range branch {
		if put, is := op.(Put); is {
			if puts[string(put.Key)] {
				return true
			}
			puts[string(put.Key)] = true
		}
	}
	for _, op := range branch {
		del, is := op.(DeleteRange)
		if !is {
			continue
		}
		for key := range puts {
			if contains(del.Key, del.End, []byte(key)) {
				return true
			}
		}
	}
	return false
}

// contains reports whether a key lies in an interval given as in [Range].
func contains(from, end, key []byte) bool {
	switch {
	case len(end) == 0:
		return bytes.Equal(from, key)
	case bytes.Compare(key, from) < 0:
		return false
	case len(end) == 1 && end[0] == 0:
		return true
	default:
		return bytes.Compare(key, end) < 0
	}
}
