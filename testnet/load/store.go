package load

import (
	"context"
	"errors"
)

// ErrNotDone says that an operation certainly changed nothing, now or later. Every other error of
// an operation that writes leaves open what became of it.
var ErrNotDone = errors.New("it was not done")

// Entry is a key with its value.
type Entry struct{ Key, Value string }

// Store is one client of the service, as the workloads need it. It is used by one goroutine. An
// empty value stands for a key that is not there.
type Store interface {
	// Get reads a key.
	Get(ctx context.Context, key string) (value string, err error)
	// Put writes a key.
	Put(ctx context.Context, key, value string) error
	// Swap writes value if the key holds expect, and else tells what is there.
	Swap(ctx context.Context, key, expect, value string) (done bool, now string, err error)
	// List reads all keys with a prefix in one operation, sorted.
	List(ctx context.Context, prefix string) ([]Entry, error)
	// Create writes all entries in one operation, if the first one's key is not there.
	Create(ctx context.Context, entries []Entry) (created bool, err error)
	// Transfer moves an amount between two keys that hold decimal numbers, in one operation; it is
	// not done if there is too little.
	Transfer(ctx context.Context, from, to string, amount uint64) (done bool, err error)
}
