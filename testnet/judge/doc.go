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
// it, and breaks nothing. All epochs are judged as one history. Where logs were shortened, the
// judgement begins with the earliest certified state that a home holds: what is before rests on
// certificates alone, which is said and makes nothing unknown ([Result].From).
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
// statements side by side, so that two certificates of one place name everybody who signed both
// (where signatures are added up, the certificates themselves are the proof, rule R19). Every proof
// is verified before it counts, so a traitor's journal can accuse nobody. A root that no quorum
// certified (E8) is told, and convicts nobody.
//
// # Forensics
//
// Two certified batches for one sequence number mean that more than f members lied. [Investigate]
// finds the lowest such number in the journals and archives of correct nodes alone, and how it came
// about:
//
//   - Both in one view: whoever PREPAREd (E1, E4) or COMMITted (E2, E2′) both sides signed for two
//     chains; the guard of a correct node does not (rules R6 and R7.6).
//   - In view v and a later one: the first NEW-VIEW after v that a correct node accepted, and whose
//     base ranks below the certificate or is not a descendant of its batch. If it ranks below,
//     whoever signed the certificate and reported less in that NEW-VIEW hid its lock (E5). Else the
//     base was prepared in view v on another chain (E4). See rule R7.7.
//   - Only checkpoint certificates are left: whoever signed both (E11, rule R7.8).
//
// Since any two quorums share f+1 members at least, so many are named as long as the statements are
// kept; if fewer are, the result says so, and never names anybody instead.
//
// A fork is traced in the epoch that it began in, by the numbers that its members had there.
//
// [History.Hear], [History.HearIn] and [History.Incriminated] turn this round: an oracle that takes
// in everything that anybody signed and looks for any proof, of any kind, against a correct member.
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
