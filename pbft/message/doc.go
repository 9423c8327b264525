// Package message holds everything that replicas say to each other, as values: messages,
// certificates, evidence, the records that make a promise irrevocable, and the configuration they
// are judged by.
//
// Each value has one encoding (fixed width, big endian, no optional form), one strict decoder that
// accepts nothing else, and one validator. What is signed is not the wire encoding but the
// statement of PROTOCOL §4.3: domain, kind, cluster, epoch, and a body of fixed width.
//
// Only a [Verified] message reaches the protocol. A [Verifier] makes one from what came over the
// wire, a [Sealer] from what this replica says itself.
package message
