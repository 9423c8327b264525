// Package pbft is the agreement protocol of byzd: Castro and Liskov's Practical Byzantine Fault
// Tolerance (OSDI 1999) over a hash-chained log, as a deterministic state machine. DIVERGENCE.md
// lists every departure from the paper with its safety argument; testdata holds stories that one
// can read.
//
// A [Replica] is a function of its inputs. It has no clock, no file, no socket, no goroutine, no
// randomness and no log; the same inputs give the same effects, byte for byte (a test holds it to
// that). It can be cloned and fingerprinted, so that a search can try what might have happened
// instead. One goroutine owns it.
//
// # What it assumes and what it guarantees
//
// Of n configured replicas at most f = ⌊(n−1)/3⌋ lie; the others may crash and come back with what
// they had made durable. Messages may be lost, doubled, reordered and delayed. Then, whatever the
// timing, no two correct replicas execute different batches at one sequence number, no request is
// executed twice, and no correct replica is ever accused. While n−f correct replicas can talk in
// time, everything that reached f+1 of them is executed.
//
// # The life of a batch
//
//  1. A gateway signs its clients' operations as a bundle, and sends it to all (Submission).
//     Everybody queues it, by gateway and number: from now on every replica knows what waits, and
//     for how long.
//  2. At the end of a turn the primary puts what waits into a batch: a header that names its
//     parent, and the bundles' names. Its PRE-PREPARE is its PREPARE. Up to InFlight batches are
//     under way at once.
//  3. A backup that holds every bundle, and finds the batch to extend its tip, PREPAREs it. Only
//     pure functions of the batch may refuse it; the clock and the window may only hold it.
//  4. With a quorum of PREPAREs the batch is prepared: that certificate, together with the bodies,
//     is made durable before the COMMIT leaves. It covers the whole chain of parents.
//  5. With a quorum of COMMITs it is committed, and with it all its ancestors. Replicas execute in
//     order. The client table decides for each operation whether it runs: exactly once.
//  6. Every CheckpointEvery batches the replicas sign the root of their state. With a quorum the
//     checkpoint is stable: the low watermark moves, and votes below it are forgotten.
//
// When work waits for too long, backups complain; f+1 complaints begin a view change. Each replica
// then binds itself with a VIEW-CHANGE that shows its highest prepared certificate. From a quorum
// of them the next primary makes a NEW-VIEW, whose base is the highest certificate shown. The view
// opens when the base has been certified again.
//
// # Messages
//
//	message         from       to        counts with  what for                              paper
//	Submission      gateway    all       –            a bundle of operations                 §4.1
//	PrePrepare      primary    all       –            a batch, and the primary's PREPARE     §4.2
//	Vote (PREPARE)  all        all       q            prepared certificate                   §4.2
//	Vote (COMMIT)   all        all       q            commit certificate                     §4.2
//	Checkpoint      all        all       q            stable checkpoint, low watermark       §4.3
//	Complain        backup     all       f+1          begin a view change                    –
//	ViewChange      all        all       q, f+1 join  leave a view; timer of the next        §4.4
//	NewView         primary    all       –            begin a view                           §4.4
//	Status          all        all       –            where I stand: peers send what lacks   –
//	Proof           all        one       –            certificates, for one who is behind    §4.4
//	Have            backup     primary   –            bundles that wait and are not named    §4.1
//	FetchBundles    all        one       –            bundles that a batch names             –
//	FetchBatches    all        one       –            batches that are certified or voted for –
//	BatchReply      all        one       –            one of them, with the primary's word   –
//	FetchDecided    all        one       –            what was decided after a number        §5.3
//	Decided         all        one       –            a certified run of it                  §5.3
//	Evidence        all        all       –            a proof of a lie                       –
//	Offer           all        one       f+1          the log begins later; start from this  §5.3
//	FetchState      all        one       –            a piece of a certified state           §5.3
//	StatePart       all        one       –            that piece                             §5.3
//	FenceAsk        starter    all       q−1 answers  what do you hold of my words?          –
//	FenceAnswer     all        one       –            these                                  –
//	Recover         forgetful  all       q answers    in which views may I have voted?       –
//	Recovery        all        one       –            the view that I am bound to            –
//
// q is the quorum ⌊(n+f)/2⌋+1. Votes of others that differ from what the primary said are passed on
// to all, with the primary's word: that is how a primary that tells each backup something else is
// caught.
//
// # The caller's duties
//
//  1. Feed inputs one at a time, from one goroutine, in any order. Only verified messages: every
//     signature and certificate was checked before ([message.Verify]).
//  2. Do the effects in their order. Stage each [Persist]; what follows it (every [Send], [Serve],
//     the result of every [Execute]) leaves only when it is durable. Several steps may share one
//     sync.
//  3. Sign a [Send]'s statement by a guard that keeps its own account of what was said, and refuses
//     to contradict it. Send to one replica, or with [All] to all others.
//  4. Hand the statements among what was sent to [All] back as [Received] from oneself, once they
//     are durable and in the order they were made, and never before (rule R1): a replica's own vote
//     counts for itself only then.
//  5. Apply each [Execute] at once, in order, each operation as its verdict says. If it asks for a
//     checkpoint, answer with [Executed] before the next input.
//  6. Keep executed batches and the recorded certificates for those who are behind ([Serve]): a run
//     of headers from the number asked for up to a certificate, and as many bodies as fit. When the
//     log begins later than that, answer with an Offer of a state to start from.
//  7. Truncate the journal only below a stable checkpoint ([Release]) whose snapshot is durable,
//     and write anew before that what [Fold.Records] lists.
//  8. Tell the time with [Tick] every 10 to 50 ms, and the end of each turn with [TurnEnd].
//  9. After a start, fold the journal ([Fold]), execute again what it proves to be decided, make
//     the CHECKPOINTs of those batches again, and give it all to [New]. A journal that lost
//     anything that was synced is no ground to vote from: say so (Restored.Forgot), and record
//     it, before anything leaves; the replica then recovers by itself (rule R15).
//     A snapshot is a better beginning than the base: give it as the executed state.
//  10. On [Transfer], fetch the certified state, check every part of it by the certificate, make it
//     durable, put it in place, and answer with [Installed]. FetchState and StatePart are the
//     caller's own messages.
//  11. On [Halt], let nothing be voted any more; the state may still be read.
//
// # A minimal use
//
//	r := pbft.New(cfg, self, pbft.Restored{})
//	for in := range inputs {
//		for _, e := range r.Step(in) {
//			do(e) // as above
//		}
//	}
//
// On [EpochEnd] the caller makes the end durable, lets go of this replica, and makes one of the
// next epoch from [Replica.Handover].
//
// What it leaves out: how a state is fetched in pieces (daemon/loop), and reads that are not
// ordered.
package pbft
