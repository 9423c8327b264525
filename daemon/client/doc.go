// Package client is the Go client of byzd for those who trust no single node.
//
// A client signs its requests with a key of its own, sends each to one node, and believes a result
// only when f+1 distinct members have signed it: one of them is correct. A node that lies, is
// silent or slow is therefore no obstacle and no danger. On silence the same bytes go to f+1 nodes
// and then to all, after growing, random pauses; the client table of the cluster sees to it that
// they run once.
//
// What must be trusted is the genesis, which says who the members are. Whoever has the file gives
// it and trusts no node at all. Without it the genesis is fetched from the endpoints, which must
// agree, and pinned next to the key on first use; another one later on is refused, as ssh does with
// hosts.
//
// # Sessions
//
// A key has one session in the cluster, and every request one place in it. Which places are taken
// stands in a file next to the key: a place is recorded there durably before its request is sent,
// so that two processes with one key, or one before and after a crash, never use a place twice. The
// lowest place that somebody still waits for goes out with every request as acknowledgement. Places
// of processes that have ended are given up.
//
// # Outcomes
//
// [Client.Do] returns the store's result, or an error. [ErrUnknown] is the honest one: a write was
// sent, and whether it runs, has run, or never will is not known. [ErrNoAnswer] goes with it when
// the time was over. An operation is never sent again under another place by this package, except
// when it only reads.
//
//	c, err := client.Open(ctx, client.Options{Endpoints: endpoints, KeyPath: "client.key"})
//	r, err := c.Put(ctx, []byte("k"), []byte("v"))
package client
