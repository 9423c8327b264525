// Package conditions is the network that a testnet wants to have: which links are cut, and which
// are slow or lose frames. It is asked by the side that sends, for frames, dials and gossip alike,
// so a partition looks like a real one and needs no root. Clients are not affected. It holds no
// goroutine and is safe for concurrent use.
package conditions
