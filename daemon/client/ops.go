package client

import (
	"context"

	"byzd/daemon/kv"
)

// CodeError says that the cluster agreed not to do an operation. Nothing was changed.
type CodeError struct {
	Code kv.Code
	Text string
}

// Error returns the store's words.
func (e *CodeError) Error() string { return "refused: " + e.Text }

// do is Do with the store's refusals as errors.
func (c *Client) do(ctx context.Context, op kv.Op) (kv.Result, error) {
	r, err := c.Do(ctx, op)
	if err == nil && r.Code != kv.CodeOK {
		return r, &CodeError{r.Code, r.Error}
	}
	return r, err
}

// Put writes a key. The result's Revision is the store's after it. Errors are those of [Client.Do]
// and [CodeError], here and below.
func (c *Client) Put(ctx context.Context, key, value []byte) (kv.Result, error) {
	return c.do(ctx, kv.Put{Key: key, Value: value})
}

// Get reads a key. found is false if there is none.
func (c *Client) Get(ctx context.Context, key []byte) (entry kv.KV, found bool, err error) {
	r, err := c.do(ctx, kv.Range{Key: key})
	if err != nil || len(r.KVs) == 0 {
		return kv.KV{}, false, err
	}
	return r.KVs[0], true, nil
}

// Delete removes a key and reports whether there was one.
func (c *Client) Delete(ctx context.Context, key []byte) (existed bool, err error) {
	r, err := c.do(ctx, kv.DeleteRange{Key: key})
	return r.Deleted > 0, err
}

// CompareAndSwap writes value if the key holds expect, or, if expect is nil, if there is no such
// key. Otherwise the result has Succeeded false and what is there, if anything, in KVs.
func (c *Client) CompareAndSwap(ctx context.Context, key, expect, value []byte) (kv.Result, error) {
	return c.do(ctx, kv.CompareAndSwap{
		Key: key, Expect: expect, Absent: expect == nil, New: value,
	})
}

// Transfer moves an amount between two accounts: keys that hold decimal numbers.
func (c *Client) Transfer(ctx context.Context, from, to []byte, amount uint64) (kv.Result, error) {
	return c.do(ctx, kv.Transfer{From: from, To: to, Amount: amount})
}
