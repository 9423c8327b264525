// Package sim is the deterministic simulator: it drives the shipped loop of every node (core,
// guard, journal, snapshots, store, codec) in one goroutine and in virtual time, lets everything go
// wrong that a seed says, and asks its oracles after every step. The same seed is the same run,
// event by event, in any process.
//
// # A run
//
// A seed draws the [Options]: members, protocol parameters, delays, clients, fault classes with
// their rates, traitors and what they lie about. Then the run goes through its phases:
//
//	warm-up    everybody starts; the start fences are lifted
//	faults     clients ask, and faults strike
//	liveness   a quorum of correct nodes, the core, is freed from every fault; the other correct
//	           ones are stopped or cut off, traitors go on. All work must be done in time.
//	drain      everybody comes back and must arrive at one place
//	compare    states, and the clients' histories along the log
//
// # Use
//
//	r := sim.Run(seed, sim.Setup{})
//	if r.Failure != nil { ... }                      // which oracle, what, at which event
//	sum := sim.Many(ctx, 1, 1000, 10, sim.Setup{}, nil) // on all processors
//	small, failed := sim.Shrink(ctx, c, nil)         // a smaller case that fails alike
//
// On the command line it is byzd sim. Kept cases stand in testdata as scripts that one can read.
//
// # What is simulated and what is not
//
// The loop and everything in it is the shipped code; only its owner, the transport and the disk
// below the file interface are the simulator's. In seven of eight seeds signatures are keyed tags
// of 64 bits and messages travel decoded; in the others both are real. In one seed of three the
// members change while all this goes on. Not simulated: goroutines of the daemon, libp2p, the HTTP
// service, and the gossip agent (its advice is).
//
// DESIGN.md says how faults are charged, what each oracle sees, and how to add a fault, an oracle,
// a marker or a door.
package sim
