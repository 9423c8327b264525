package pbft

// Drop names why a verified message changed nothing. Every drop is an effect, so that it can be
// counted; none is an error of this replica.
type Drop string

// The drops.
const (
	DropVoteView         Drop = "vote_of_other_view"
	DropVoteWindow       Drop = "vote_outside_window"
	DropVoteDuplicate    Drop = "vote_duplicate"
	DropVoteConflict     Drop = "vote_conflict"
	DropVoteEcho         Drop = "vote_of_own_returned"
	DropVoteFlood        Drop = "vote_too_far_ahead"
	DropPrePrepareView   Drop = "pre_prepare_of_other_view"
	DropPrePrepareSender Drop = "pre_prepare_not_from_primary"
	DropPrePrepareWindow Drop = "pre_prepare_outside_window"
	DropPrePrepareFar    Drop = "pre_prepare_too_far_ahead"
	DropPrePrepareSecond Drop = "pre_prepare_second"
	DropPrePrepareParent Drop = "pre_prepare_wrong_parent"
	DropPrePrepareBody   Drop = "pre_prepare_bad_body"
	DropBundleDone       Drop = "bundle_already_done"
	DropBundleConflict   Drop = "bundle_conflict"
	DropBundleFull       Drop = "bundle_queue_full"
	DropBundleKnown      Drop = "bundle_known"
	DropBatchUnwanted    Drop = "batch_unwanted"
	DropDecidedUnwanted  Drop = "decided_unwanted"
	DropFetchThrottled   Drop = "fetch_throttled"
	DropHaveNotPrimary   Drop = "have_not_primary"
	DropCheckpointOld    Drop = "checkpoint_old"
	DropCheckpointPlace  Drop = "checkpoint_out_of_place"
	DropCheckpointEcho   Drop = "checkpoint_of_own_returned"
	DropCheckpointSecond Drop = "checkpoint_conflict"
	DropComplainView     Drop = "complain_of_other_view"
	DropViewChangeOld    Drop = "view_change_old"
	DropViewChangeEcho   Drop = "view_change_of_own_returned"
	DropNewViewOld       Drop = "new_view_old"
	DropNewViewSecond    Drop = "new_view_second"
	DropNewViewDead      Drop = "new_view_dead"
	DropProofOld         Drop = "proof_old"
	DropFetchUnknown     Drop = "fetch_unknown"
	DropFenceStale       Drop = "fence_answer_stale"
	DropEvidenceKnown    Drop = "evidence_known"
	DropStatusThrottled  Drop = "status_throttled"
	DropExecutedStale    Drop = "executed_stale"
	DropHalted           Drop = "replica_halted"
)
