// Package message holds everything that replicas say to each other, as values: messages,
// certificates, evidence, the records that make a promise irrevocable, and the configuration they
// are judged by.
//
// Each value has one encoding (fixed width, big endian, no optional form), one strict decoder that
// accepts nothing else, and one validator. What is signed is not the wire encoding but the
// statement of PROTOCOL §4.3: domain, kind, cluster, epoch, and a body of fixed width.
//
// Only a [Verified] message reaches the protocol. [Verify] makes one from what came over the wire,
// a [Sealer] from what this replica says itself.
//
// # Evidence
//
// A lie is provable if the liar signed what a correct replica never signs, alone (E6, E7) or
// together. [Evidence.Verify] needs nothing but the configuration, so a proof convinces anybody,
// anywhere, later. What is attached to a statement without being signed in it (certificates,
// signatures of others) proves nothing, because anybody may have attached it.
//
//	kind  signed statements                          what makes it a lie
//	E1    two PREPAREs, one view and number          a replica votes once in a place
//	E2    two COMMITs, one view and number           the same
//	E2′   two COMMITs of one view, headers           they are not on one chain (R6)
//	E3    two NEW-VIEWs of one view                  a view is started once
//	E4    two PREPAREs of one view, headers          they are not on one chain (R6)
//	E5    a COMMIT, a VIEW-CHANGE to a later view    which reports a lower rank
//	E6    a NEW-VIEW, what its digest binds          its content breaks a rule (R7.1)
//	E7    a primary's PREPARE, header, names         it proposed a request that is forged, or
//	                                                 twice (R7.2: in this very view)
//	E8    a CHECKPOINT, a certificate                another root than the certified one of that
//	                                                 batch; reported, convicts nobody
//	E9    two bundles of one gateway                 for one place in its session (R7.3)
//	E10   two VIEW-CHANGEs to one view               a replica moves to a view once
//	E11   two CHECKPOINTs, one number                of different batches (R7.8)
//
// With a scheme that adds signatures up, what one member said is shown by the certificate that it
// is in ([Statement].Signers, rule R19).
//
// Left out, because nothing can prove it: E12, a signed root of replies other than that of the
// batch. The roots of replies are under the root of the state only as what clients may still ask
// for, not batch by batch, so no certificate says which one a batch had. Two different roots that
// one member signed for one batch do contradict each other, but only clients see them, and clients
// have no way to accuse. A client's own two requests for one place are no evidence against a
// member, and harmless: a place in a session runs once (rule R3).
package message
