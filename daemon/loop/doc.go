// Package loop is one turn of a node: what arrives goes into the replica, what the replica wants
// recorded goes into the journal, and only when that is durable does anything leave that was said
// because of it.
//
// The loop has no goroutine, no clock and no socket. Its doors (journal, links, store) are
// parameters, so that the simulator drives the same lines that the daemon ships: persist, sync,
// guard and send are the most dangerous ones of the product.
//
// A turn, as its owner runs it:
//
//	l.Step(input)...            // any number; records are staged, messages sealed and held back
//	l.EndTurn()                 // a primary makes its batch, the gateway its bundle
//	lsn := l.Staged()
//	journal.Flush()             // may run beside the next turn's Steps
//	for l.Release(lsn) {         // sends what waited
//		l.Resume()              // hands own statements back to the replica
//	}
//
// The caller's duties:
//
//  1. One goroutine owns the loop.
//  2. Release is called with what a Flush that began after Staged made durable, and nothing higher.
//  3. When a Flush fails, the owner feeds nothing in until one succeeds: a node that cannot
//     remember must not speak, and what waits must not grow.
package loop
