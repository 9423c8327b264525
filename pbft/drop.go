package pbft

// Drop names why a verified message, or a part of one, is not taken for what it was sent for: no
// vote counts, no view begins, no batch is learned and nothing is answered. Every drop is an
// effect, so that it can be counted; none is an error of this replica.
//
// Not taken does not mean that nothing changes. That its sender is alive is noted of every message.
// Besides, of what is dropped
//
//   - as a vote, the newest of its voter is remembered for its next start (rule R14); two that
//     contradict each other (conflict, second) become a proof, and what contradicts the primary is
//     passed on;
//   - as a CHECKPOINT that is old or a second one, a wrong root or a contradiction becomes a proof;
//   - as a bundle, its body stays where a batch names it, and the time when the primary was told of
//     it; one with another's number becomes a proof (E9);
//   - as a VIEW-CHANGE, a NEW-VIEW or a complaint, the certificates and statements in it were taken
//     before, and what they contradict is a proof;
//   - as a question of who recovers, that it does.
//
// What was dropped and comes again at once changes nothing more, except where the reason is one of
// the moment (throttled, full, flood, far ahead, of another view); oracle O19 of the simulator
// holds to that.
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
	DropPrePrepareEnd    Drop = "pre_prepare_after_the_epoch"
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
	DropFenceSilent      Drop = "fence_ask_to_forgetful"
	DropRecoverSilent    Drop = "recover_to_silent"
	DropRecoverThrottled Drop = "recover_throttled"
	DropRecoveryStale    Drop = "recovery_stale"
	DropEvidenceKnown    Drop = "evidence_known"
	DropStatusThrottled  Drop = "status_throttled"
	DropOfferUseless     Drop = "offer_useless"
	DropInstalledStale   Drop = "installed_stale"
	DropExecutedStale    Drop = "executed_stale"
	DropEpoch            Drop = "of_another_epoch"
	DropObserver         Drop = "not_for_a_learner"
	DropHalted           Drop = "replica_halted"
)
