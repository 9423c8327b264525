// Package judge says whether a network kept its promises, and who broke them. It judges from what
// the nodes signed and executed, as their journals hold it, and not from what one of them says.
//
// # What is judged
//
//   - Agreement: correct nodes executed the same batch at each sequence number, and came to the
//     same root at each checkpoint, which is also what executing the batches again gives.
//   - Validity: what was executed was submitted, which means signed by a client or by a member's
//     gateway.
//   - Integrity: each request was executed once at most, with the bytes that were signed.
//   - Termination: of a running network, what is pending is executed within a bound; of a stopped
//     one, what a correct node knew of is executed, nothing was pending when it stopped (which
//     [Node].Last has to say), and no correct node was behind. Else it is unknown.
//   - Linearizable: unknown, without a recorded history of the clients.
//
// Each is held, broken or unknown. A journal that is missing or damaged makes unknown what rests on
// it, and breaks nothing.
//
// # What counts as executed
//
// A journal holds batches and the certificates that they were executed by. The highest certificate
// whose batches are all there is verified; each batch names its parent, so it covers all that is
// below. What a node executed beyond is not provable, and not counted.
//
// # Who is guilty
//
// Only who is convicted by its own signatures: by proofs that nodes have found, or by statements
// that different journals hold and only together contradict each other. A certificate is many
// statements side by side (with schemes that list signatures), so that two certificates of one
// place name everybody who signed both. Every proof is verified before it counts, so a traitor's
// journal can accuse nobody.
//
// # Use
//
//	h := judge.NewHistory(cluster)
//	live, lies, err := judge.Watch(ctx, h, nodes, judge.BoundDefault) // of a running network
//	err = h.Read(ctx, nodes)
//	v := judge.Judge(h, live)
//	v.TellLies(lies)
//	err = h.WriteProofs(v, dir)
//
// [History.Add] and [History.Fill] take journals from elsewhere, for instance a simulator's.
package judge
