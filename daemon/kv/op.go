package kv

// Limits of one operation. They are part of the protocol: all replicas must agree on them.
const (
	// KeyBytesMax bounds a key and the end of a range.
	KeyBytesMax = 4 << 10
	// ValueBytesMax bounds a value.
	ValueBytesMax = 1 << 20
	// OpBytesMax bounds what the store decodes; a CompareAndSwap of two largest values fits. What
	// a cluster orders is bounded lower, at 1.5 MiB like etcd's requests (message.MaxOpBytes), or
	// lower still where the genesis has small bundles.
	OpBytesMax = 2*ValueBytesMax + 64<<10
	// TxnOpsMax bounds each of the three lists of a transaction, as in etcd.
	TxnOpsMax = 128
	// ResultBytesMax bounds the keys and values in one result. An operation that would return
	// more fails, and changes nothing; the client asks with a limit.
	ResultBytesMax = 16 << 20
)

// Op is an operation on the store. The operations are values; nothing changes them.
//
//sumtype:decl
type Op interface{ op() }

// Put writes a key. The result has the entry before in PrevKVs if PrevKV asks for it.
type Put struct {
	Key, Value []byte
	PrevKV     bool
}

// Range reads the keys of an interval, sorted. With no End it is one key; an End of one zero byte
// means all keys from Key on; otherwise Key <= k < End.
type Range struct {
	Key, End []byte
	// Limit is the largest number of keys returned; zero means all.
	Limit uint64
	// Revision is zero, for the newest, or the newest's number. A transaction asks by number only
	// before it changes anything. Others fail: with CodeNoHistory below, with CodeFutureRevision
	// above.
	Revision int64
	// KeysOnly leaves the values out, CountOnly the keys too.
	KeysOnly, CountOnly bool
}

// DeleteRange removes the keys of an interval, given as in [Range].
type DeleteRange struct {
	Key, End []byte
	PrevKV   bool
}

// CompareAndSwap writes New if the value is Expect, or, with Absent, if the key does not exist.
// Otherwise the result has Succeeded false and the entry that is there, if any, in KVs.
type CompareAndSwap struct {
	Key, Expect, New []byte
	Absent           bool
}

// Transfer moves Amount between two accounts: keys whose values are decimal numbers below 2^64
// without sign or leading zeros. Both must exist, and neither overflows or goes below zero.
type Transfer struct {
	From, To []byte
	Amount   uint64
}

// Txn makes all its comparisons, then runs Success if all hold and Failure if not. The lists may
// hold [Put], [Range] and [DeleteRange]; an operation sees what those before it did. No key may be
// written twice in one list, nor be written and deleted.
type Txn struct {
	Compares         []Compare
	Success, Failure []Op
}

func (Put) op()            {}
func (Range) op()          {}
func (DeleteRange) op()    {}
func (CompareAndSwap) op() {}
func (Transfer) op()       {}
func (Txn) op()            {}

// Target says what a [Compare] looks at.
type Target uint8

// The targets, with etcd's numbers.
const (
	TargetVersion Target = iota
	TargetCreate
	TargetMod
	TargetValue
)

// Operator says how a [Compare] compares.
type Operator uint8

// The operators, with etcd's numbers.
const (
	Equal Operator = iota
	Greater
	Less
	NotEqual
)

// Compare is a condition on one key: "target operator operand". The numbers of a key that does not
// exist are zero; comparing its value never holds, whatever the operator.
type Compare struct {
	Key      []byte
	Target   Target
	Operator Operator
	// Number is the operand, except for TargetValue, where Value is.
	Number int64
	Value  []byte
}
