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
// # States
//
// After each checkpoint the loop has the whole replicated state as two Merkle trees that never
// change: the store's, and the ledger of sessions and kept replies (ledger.go). Their digests, the
// configuration's and the batch's header are the [message.Manifest], whose root the CHECKPOINT
// carries. When a quorum has signed it, the state may be saved (snapshots.go) and given to others
// (states.go). Once a snapshot is durable the journal below goes, as far as nobody needs it: first
// what must be remembered for ever is written anew.
//
// Who is too far behind, or whose state is not the certified one, fetches a state in pieces from
// all others at once (transfer.go, sources.go): two questions to each; one that is not answered
// within half a second is put to the next source as well, and so on. A piece is checked against
// what was certified before anything is done with it; one that does not fit ends its source's part
// in this transfer. What the local state has in common with the wanted one is not fetched. Pieces
// are staged on disk and are checked again when they are read back. The state is put in place when
// it is whole and durable as a snapshot, between two inputs.
//
// # Epochs
//
// A batch that changes the members ends an epoch; then the loop makes the replica of the next one
// (epochs.go), once enough of its members are ready (handover.go). Nodes that are in another epoch,
// or no members, are spoken to by their names (outside.go). Who is behind by more than an epoch, or
// new, follows the proofs and goes on from a certified state of a later one (leap.go). How all of
// that fits together is in daemon/MEMBERS.md.
//
// # The caller's duties
//
//  1. One goroutine owns the loop.
//  2. Release is called with what a Flush that began after Staged made durable, and nothing higher.
//  3. After a Release the journal may be truncated before [Loop.Cut], at any time.
//  4. Config.Save writes a snapshot, at leisure; its outcome comes back through [Loop.Saved].
//  5. When a Flush fails, the owner feeds nothing in until one succeeds: a node that cannot
//     remember must not speak, and what waits must not grow.
package loop
