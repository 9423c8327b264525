package message

// Type implements [Message].
func (*PrePrepare) Type() Type { return TypePrePrepare }

// Type implements [Message].
func (*Vote) Type() Type { return TypeVote }

// Type implements [Message].
func (*Checkpoint) Type() Type { return TypeCheckpoint }

// Type implements [Message].
func (*ViewChange) Type() Type { return TypeViewChange }

// Type implements [Message].
func (*NewView) Type() Type { return TypeNewView }

// Type implements [Message].
func (*Complain) Type() Type { return TypeComplain }

// Type implements [Message].
func (*Status) Type() Type { return TypeStatus }

// Type implements [Message].
func (*Submission) Type() Type { return TypeSubmission }

// Type implements [Message].
func (*Have) Type() Type { return TypeHave }

// Type implements [Message].
func (*FetchBundles) Type() Type { return TypeFetchBundles }

// Type implements [Message].
func (*FetchBatches) Type() Type { return TypeFetchBatches }

// Type implements [Message].
func (*BatchReply) Type() Type { return TypeBatchReply }

// Type implements [Message].
func (*FetchDecided) Type() Type { return TypeFetchDecided }

// Type implements [Message].
func (*Decided) Type() Type { return TypeDecided }

// Type implements [Message].
func (*Proof) Type() Type { return TypeProof }

// Type implements [Message].
func (*Evidence) Type() Type { return TypeEvidence }

// Type implements [Message].
func (*FenceAsk) Type() Type { return TypeFenceAsk }

// Type implements [Message].
func (*FenceAnswer) Type() Type { return TypeFenceAnswer }

// Type implements [Message].
func (*EpochProof) Type() Type { return TypeEpoch }

// Type implements [Message].
func (*Ready) Type() Type { return TypeReady }

// Type implements [Message].
func (*Recover) Type() Type { return TypeRecover }

// Type implements [Message].
func (*Recovery) Type() Type { return TypeRecovery }

// Type implements [Message].
func (*Offer) Type() Type { return TypeOffer }

// Type implements [Message].
func (*FetchState) Type() Type { return TypeFetchState }

// Type implements [Message].
func (*StatePart) Type() Type { return TypeStatePart }
