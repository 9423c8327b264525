// Package crypto holds the keys, digests and signature schemes of byzd: values and pure functions.
//
// A node has two keys. Its network key, behind [NodeID], authenticates connections and gossip. Its
// signing key belongs to the one [Scheme] that the genesis names for the whole cluster, and signs
// the statements of the protocol. Both come from seeds in files of their own ([ReadSeed]).
//
// What is signed is never a bare structure: [Domain.SignBytes] puts the protocol version, the kind
// of the statement, the cluster and the epoch in front of its fixed encoding, so that a signature
// means one thing in one place.
//
// A [Scheme] turns the signatures of many members over one message into a certificate. List schemes
// ("ed25519", "ed25519+mldsa65") put the signatures side by side; "bls12381" adds them into a
// single one, and therefore demands a proof of possession with every key (see [LoadKeys]: without
// the proofs, a member could register a key that cancels those of others and forge certificates).
//
// Every function that reads bytes of others is total: whatever they are, it answers with false or
// an error, and its memory is bounded by the size of its input. Keys are checked once, when they
// are parsed: canonical encoding, not the identity, in the prime-order subgroup. Then all nodes
// have the same opinion of every signature. Who signed stands outside the certificate, in the list
// of keys that the caller passes; a certificate counts each of them once.
//
// A use in one breath:
//
//	scheme, err := crypto.SchemeByName("bls12381")
//	signer, err := scheme.NewSigner(seed)
//	signature := signer.Sign(domain.SignBytes(crypto.KindPrepare, body))
//
// The package leaves out thresholds (pbft/quorum counts), what the bodies mean (pbft/message), and
// secrecy against someone who reads this process's memory.
package crypto
