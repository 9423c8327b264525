// Package daemon is one node: it owns the goroutines, the real clock and the sockets, and drives
// the loop with them.
//
// A message's way in: a libp2p stream, whose other end is a known member, gives a frame below its
// class's cap (transport); [inbound] decodes it strictly and checks its signatures with a bounded
// number of workers; one queue leads to the owner, the goroutine that alone touches the loop. A
// message's way out: the loop seals it, the journal syncs what it rests on, the owner releases it,
// the transport carries it.
//
// The rooms round it are the client endpoint (api), the operator's endpoint (operator), gossip
// (membership) and, on testnets, traitors (pbft/traitor) and cut links (conditions).
//
// [Run] returns when every goroutine of the node has ended.
package daemon
