// Package pbfttest runs a handful of replicas in one goroutine, without disk, clock or network, for
// tests and golden traces. Messages wait in one queue and are delivered in order; a test may drop,
// hold and forge them, crash a replica between two lines, and look at everything.
//
// It is a bench for the pure core. The simulator of whole nodes is something else: it runs the
// shipped loop.
package pbfttest
