// Package nemesis breaks a network of real byzd processes on purpose, while clients work on it, and
// judges what the clients were told and what the nodes did.
//
// [Run] starts a testnet of its own, lets workloads of [byzd/testnet/load] run on it, carries out a
// seeded schedule of faults one after the other, heals each and waits until the network has
// recovered, and judges in the end. The report is written into the home, with the clients' history
// beside it, and nothing is left running, whatever happens. [Matrix] does that for each fault on a
// testnet of its own. A run with [Options].Kills has one fault instead: one node at a time is
// killed so many times, at any moment of its life, and started again at once; the report says how
// long it took to be ready and what it took of the machine.
//
// # What a run comes to
//
//   - [Broken]: the history is not linearizable, an acknowledged write is lost, correct nodes do
//     not agree, or a correct node is accused.
//   - [NoProgress]: the network did not recover after a heal, or stood still under a fault that it
//     must withstand.
//   - [Invalid]: nothing can be concluded: too few operations, too many planned faults that did not
//     happen, a check that was not decided. An invalid run has not passed.
//   - [Passed]: none of these.
//
// # Who counts
//
// A fault that destroys what a node has promised (its journal damaged, restored or gone), and one
// that makes it lie, charges the node to f for the rest of the run: what it says does not count any
// more, and it may stay out. The plan charges f nodes at most, so the others must go on. Where the
// product can bring such a node back by itself, the fault's expectation says so and is demanded.
//
// Faults that need root run where root, the tool and the kernel's part of it are there, and are
// reported as skipped elsewhere, with the reason. What they do to the machine is limited to the
// ports of the run's own testnet, and undone when the fault is healed, when the run ends or is
// interrupted, and by the next run after one that crashed. The clock of a node is not among the
// faults: the daemon reads the system's, and clocks that drift and jump are the simulator's
// (testnet/sim).
//
// # Goroutines
//
// One for each client, and one that fills a disk while a fault of that kind begins; all have ended
// when Run returns.
package nemesis
