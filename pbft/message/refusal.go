package message

// Refusal names why a message was turned away before it reached the protocol. It is the label of a
// counter.
type Refusal string

// Error makes a Refusal an error.
func (r Refusal) Error() string { return string(r) }

// The refusals of verification.
const (
	RefusedSignature        Refusal = "bad_signature"
	RefusedEpoch            Refusal = "wrong_epoch"
	RefusedCluster          Refusal = "wrong_cluster"
	RefusedMember           Refusal = "not_a_member"
	RefusedCertificate      Refusal = "bad_certificate"
	RefusedTooFew           Refusal = "too_few_signers"
	RefusedView             Refusal = "bad_view"
	RefusedProof            Refusal = "unproven_claim"
	RefusedVoters           Refusal = "voters_not_increasing"
	RefusedBase             Refusal = "wrong_base"
	RefusedSession          Refusal = "wrong_session"
	RefusedTooLarge         Refusal = "too_large"
	RefusedBodyMismatch     Refusal = "body_mismatch"
	RefusedEmptyBatch       Refusal = "empty_batch"
	RefusedBatchTooLarge    Refusal = "batch_too_large"
	RefusedDuplicateInBatch Refusal = "duplicate_in_batch"
	RefusedChain            Refusal = "broken_chain"
	RefusedEvidence         Refusal = "worthless_evidence"
	RefusedStatement        Refusal = "bad_statement"
	RefusedReconfig         Refusal = "bad_reconfiguration"
)
