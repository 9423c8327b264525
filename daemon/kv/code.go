package kv

import "errors"

// Code says how an operation ended. Codes are part of results and so of the protocol: they are
// only ever added.
type Code uint16

// The codes. All but CodeOK mean that nothing was changed.
const (
	CodeOK Code = iota
	CodeMalformed
	CodeTooLarge
	CodeTooManyOps
	CodeNested
	CodeEmptyKey
	CodeDuplicateKey
	CodeFutureRevision
	CodeNoHistory
	CodeResultTooLarge
	CodeNoSpace
	CodeSameAccount
	CodeNoAccount
	CodeNotANumber
	CodeInsufficient
	CodeOverflow
	codeCount
)

// String is the text that stands in [Result.Error].
func (c Code) String() string {
	switch c {
	case CodeOK:
		return ""
	case CodeMalformed:
		return "operation is malformed"
	case CodeTooLarge:
		return "operation, key or value is too large"
	case CodeTooManyOps:
		return "too many operations in transaction"
	case CodeNested:
		return "operation is not allowed in a transaction"
	case CodeEmptyKey:
		return "key is not provided"
	case CodeDuplicateKey:
		return "duplicate key given in transaction"
	case CodeFutureRevision:
		return "required revision is a future revision"
	case CodeNoHistory:
		return "only the newest revision is kept"
	case CodeResultTooLarge:
		return "result is too large, ask with a limit"
	case CodeNoSpace:
		return "store is full"
	case CodeSameAccount:
		return "transfer from an account to itself"
	case CodeNoAccount:
		return "account does not exist"
	case CodeNotANumber:
		return "account does not hold a decimal number"
	case CodeInsufficient:
		return "account holds too little"
	case CodeOverflow:
		return "account would hold too much"
	case codeCount:
	}
	return "unknown code"
}

var (
	// ErrMalformed says that bytes are not the encoding of anything.
	ErrMalformed = errors.New("kv: malformed encoding")
	// ErrTooLarge says that a key, a value or a whole operation exceeds its limit.
	ErrTooLarge = errors.New("kv: over the limit")
	// ErrTooManyOps says that a list of a transaction exceeds TxnOpsMax.
	ErrTooManyOps = errors.New("kv: too many operations in a transaction")
	// ErrNested says that a transaction holds something else than Put, Range and DeleteRange.
	ErrNested = errors.New("kv: operation not allowed in a transaction")
	// ErrImpossible says that a state is well-formed but no store could have come to it.
	ErrImpossible = errors.New("kv: impossible state")
)

// codeOf turns an error of Decode into what the client is told.
func codeOf(err error) Code {
	switch {
	case errors.Is(err, ErrTooLarge):
		return CodeTooLarge
	case errors.Is(err, ErrTooManyOps):
		return CodeTooManyOps
	case errors.Is(err, ErrNested):
		return CodeNested
	default:
		return CodeMalformed
	}
}
