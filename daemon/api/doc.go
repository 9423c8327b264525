// Package api is the client endpoint of a node: one gRPC server that speaks etcd's KV service, for
// clients that trust this node, and byzd's own service for those that trust none.
//
// # Etcd
//
// Range, Put, DeleteRange and Txn become operations of the store and are ordered like all others,
// so reads are linearizable too; etcd's clients, etcdctl among them, work unchanged as far as these
// reach. Whatever else they may ask is refused as Unimplemented with its name, field by field,
// never ignored. Errors are etcd's where etcd has one. This node answers: whoever believes it
// trusts it.
//
// # How large a request may be
//
// Three bounds hold for one operation, and what exceeds any of them is etcd's "request is too
// large": a key of 4 KiB and a value of 1 MiB (the store's); the whole operation, encoded, of
// 1.5 MiB (message.MaxOpBytes, as in etcd), so that a transaction or a CompareAndSwap of two
// largest values does not fit; and what a bundle of the genesis's max-bundle-bytes has room for
// beside its signatures (message.Config.MaxOp), which with the default of 2 MiB is no bound of its
// own. A frame of more than [FrameBytesMax] is refused by gRPC before it is read.
//
// # byzd.v1.Byzd
//
// A Session carries a client's signed requests in, and out of it this member's signed replies to
// that client, whichever member the requests were handed to. So a client that listens at several
// members can count their signatures. Order carries plain operations, many in a frame, for clients
// that trust this node and have much to do: nothing is done per operation that could be done per
// frame.
//
// # What a client can cost
//
// Connections, streams, frames and what waits on a stream are bounded. Nothing here waits for a
// client: what a slow reader leaves unread waits up to a bound, then its stream ends. Signatures
// are checked by at most as many goroutines as there are processors, before the node sees a
// request.
//
// A use in one breath:
//
//	s := api.New(api.Config{Node: node, Cluster: config, Self: 2, Genesis: file})
//	go s.Serve(listener)
//	defer s.Stop(ctx)
package api
