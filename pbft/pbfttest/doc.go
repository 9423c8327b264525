// Package pbfttest runs a handful of replicas in one goroutine, without disk, clock or network, for
// tests and golden traces. Messages wait in one queue and are delivered in order; a test may drop,
// hold and forge them, crash a replica between two lines, and look at everything.
//
// [Network] is the bench itself. It does what the package documentation of pbft asks of a caller:
// records are staged, synced, encoded and decoded; what is said waits for what was recorded before;
// statements come back to their author. Meanwhile it keeps an account of everything that honest
// replicas sign and execute, and notes in Violations whatever contradicts it.
//
// [Script] is the interpreter of the golden traces in pbft/testdata.
//
// It is a bench for the pure core. The simulator of whole nodes is something else: it runs the
// shipped loop.
package pbfttest
