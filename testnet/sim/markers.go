package sim

import (
	"byzd/daemon/loop"
	"byzd/pbft"
	"byzd/pbft/message"
)

// marker is a rare state that runs must reach: a machine that never gets there proves nothing about
// it.
type marker uint8

// The markers.
const (
	markViewChange marker = iota
	markPlannedChange
	markNewView
	markViewOpen
	markFrozen
	markComplained
	markPreparedAtChange
	markUndecidedAtChange
	markDeepViews
	markCommitUnderTraitor
	markStableMoved
	markStableAtChange
	markBehindServed
	markDecidedTaken
	markBatchFetched
	markBundleFetched
	markProofTaken
	markNewViewByProof
	markPassedOn
	markFenceLifted
	markCrashInChange
	markCrashFenced
	markCrashHeld
	markCrashFlushing
	markCrashAfterSync
	markCrashPrimary
	markKilled
	markPowerCut
	markPowerTorn
	markPowerScattered
	markTornTail
	markAllDown
	markRestartMany
	markPaused
	markClockJumped
	markDiskFull
	markDeaf
	markFullAtStart
	markErrorAtStart
	markPoisoned
	markOldImage
	markBitRot
	markDamageFound
	markAmnesia
	markWiped
	markForgot
	markRecovered
	markSnapshot
	markSnapshotFailed
	markCrashSaving
	markJournalCut
	markFromSnapshot
	markTransfer
	markTransferInChange
	markCrashFetching
	markInstalled
	markIsolated
	markHalves
	markRing
	markBridge
	markOneWay
	markCutOff
	markRefused
	markCorruptRefused
	markCorruptAccepted
	markForeign
	markForeignRefused
	markIncriminated
	markForgedBundle
	markAccused
	markEquivocation
	markVoteConflict
	markBundleConflict
	markStopped
	markIsolatedCore
	markTwinBoth
	markRegistered
	markRetry
	markReplyRefused
	markUnknownOutcome
	markToldUnknown
	markBusy
	markTwoBodies
	markNumberJump
	markHugeOp
	markBadClientSignature
	markDuplicateRun
	markOutOfRange
	markNoSession
	markMalformedAck
	markFullBatch
	markManyInFlight
	markWindowFull
	markViewsChecked
	markDropChecked
	markRefusalChecked
	markDurableChecked
	markCheapChecked
	markReplayChecked
	markUnknownHeader
	markQueueFull
	markAnnounced
	markEpochEnded
	markSecondEpoch
	markJoined
	markJoinedLiar
	markLeft
	markLeftLiar
	markRotated
	markGrew
	markShrank
	markFromOne
	markNewcomerVoted
	markRemovedRefused
	markOldKey
	markOldKeyRefused
	markLateEpoch
	markOutsideChecked
	markOutsideTold
	markRetired
	markSlept
	markLeap
	markCrashBetween
	markCrashNewEpoch
	markCrashAnnounced
	markChangeAtViewChange
	markNeverMade
	markChangeTwice
	markFewSigned
	markEpochInLive
	markAskedOutside
	markLostGateway
	markChangeChecked
	markNamed
	markForkNamed
	markForkAcross
	markAskedTogether
	markSlow
	markSteady
	markCount
)

// row is a marker's line in the table.
type row struct {
	name string
	rare bool // it may stay at zero: the table shows it, and nothing fails
}

func markers() [markCount]row { //nolint:funlen // a table, one row for each marker
	return [markCount]row{
		markViewChange:         {"view change that was not planned", false},
		markPlannedChange:      {"view change as planned (rotation)", false},
		markNewView:            {"new view entered", false},
		markViewOpen:           {"new view opened", false},
		markFrozen:             {"replica frozen in its view (R6)", false},
		markComplained:         {"complaint about a primary", false},
		markPreparedAtChange:   {"view change with a prepared batch", false},
		markUndecidedAtChange:  {"view change with a prepared, undecided batch", false},
		markDeepViews:          {"third view entered", false},
		markCommitUnderTraitor: {"commit under an active traitor", false},
		markStableMoved:        {"low watermark moved", false},
		markStableAtChange:     {"view change above a stable checkpoint", false},
		markBehindServed:       {"replica that is behind was served", false},
		markDecidedTaken:       {"certified run of batches taken", false},
		markBatchFetched:       {"undecided batch fetched", false},
		markBundleFetched:      {"bundle fetched", false},
		markProofTaken:         {"certificate pushed to who lacked it", false},
		markNewViewByProof:     {"NEW-VIEW learned from another than its primary", false},
		markPassedOn:           {"somebody else's vote passed on", false},
		markFenceLifted:        {"start fence lifted", false},
		markCrashInChange:      {"crash during a view change", false},
		markCrashFenced:        {"crash behind the start fence", false},
		markCrashHeld:          {"crash between record and send", false},
		markCrashFlushing:      {"crash during a sync", false},
		markCrashAfterSync:     {"crash after a sync that nobody was told of", false},
		markCrashPrimary:       {"crash of the primary", false},
		markKilled:             {"kill, page cache kept", false},
		markPowerCut:           {"power cut, unsynced bytes lost", false},
		markPowerTorn:          {"power cut, write torn", false},
		markPowerScattered:     {"power cut, any sectors kept", false},
		markTornTail:           {"torn tail cut off at the start", false},
		markAllDown:            {"all nodes down at once", false},
		markRestartMany:        {"a node started five times in one run", false},
		markPaused:             {"process stopped for a while", false},
		markClockJumped:        {"clock jumped", false},
		markDiskFull:           {"disk full", false},
		markDeaf:               {"message dropped by a node with a full disk", false},
		markFullAtStart:        {"disk full while starting", true},
		markErrorAtStart:       {"disk error while starting", true},
		markPoisoned:           {"journal poisoned by a disk error", false},
		markOldImage:           {"old image of a home restored", false},
		markBitRot:             {"bit of a journal flipped at rest", false},
		markDamageFound:        {"damaged journal refused", false},
		markAmnesia:            {"amnesia found by the start fence", true},
		markWiped:              {"home wiped", false},
		markForgot:             {"node knows that it has forgotten (R15)", false},
		markRecovered:          {"node has recovered from that", false},
		markSnapshot:           {"snapshot written", false},
		markSnapshotFailed:     {"snapshot that could not be written", false},
		markCrashSaving:        {"crash while a snapshot is written", false},
		markJournalCut:         {"journal cut below a snapshot", false},
		markFromSnapshot:       {"start from a snapshot", false},
		markTransfer:           {"state transfer", false},
		markTransferInChange:   {"state transfer during a view change", false},
		markCrashFetching:      {"crash during a state transfer", false},
		markInstalled:          {"fetched state put in place", false},
		markIsolated:           {"one node isolated", false},
		markHalves:             {"two halves", false},
		markRing:               {"ring", false},
		markBridge:             {"two sides and a bridge", false},
		markOneWay:             {"one-way cut", false},
		markCutOff:             {"message stopped by a cut", false},
		markRefused:            {"message refused at the door", false},
		markCorruptRefused:     {"flipped bit refused", false},
		markCorruptAccepted:    {"flipped bit in what nobody signs", false},
		markForeign:            {"message of another cluster or epoch", false},
		markForeignRefused:     {"message of another cluster or epoch refused", false},
		markIncriminated:       {"refused NEW-VIEW kept as a proof (E6)", false},
		markForgedBundle:       {"bundle with a forged request", false},
		markAccused:            {"proof of a lie", false},
		markEquivocation:       {"equivocation seen", false},
		markVoteConflict:       {"two votes of one voter for one place", false},
		markBundleConflict:     {"two bundles of one number", true},
		markStopped:            {"liveness with a stopped correct node", false},
		markIsolatedCore:       {"liveness with an isolated correct node", false},
		markTwinBoth:           {"twins both heard", false},
		markRegistered:         {"client registered", false},
		markRetry:              {"client asked another node again", false},
		markReplyRefused:       {"lying reply outvoted", false},
		markUnknownOutcome:     {"client gave up: outcome unknown", false},
		markToldUnknown:        {"client was told: outcome unknown", false},
		markBusy:               {"gateway told a client to come back", true},
		markTwoBodies:          {"one request number, two bodies", false},
		markNumberJump:         {"request number far ahead", false},
		markHugeOp:             {"huge operation", false},
		markBadClientSignature: {"client signature refused at the door", false},
		markDuplicateRun:       {"duplicate request decided, not run", false},
		markOutOfRange:         {"request number outside the window", false},
		markNoSession:          {"request of a session that is none", false},
		markMalformedAck:       {"acknowledgement from the future", false},
		markFullBatch:          {"batch of several bundles", false},
		markManyInFlight:       {"several batches under way", false},
		markWindowFull:         {"tip at the high watermark", true},
		markViewsChecked:       {"O18 counted views", false},
		markDropChecked:        {"O19 took fingerprints round a drop", false},
		markRefusalChecked:     {"O19 took fingerprints round a refusal", false},
		markDurableChecked:     {"O11 looked at all disks", false},
		markCheapChecked:       {"O15 applied", false},
		markReplayChecked:      {"O12 replayed a log", false},
		markUnknownHeader:      {"O6 met a header that it did not know", true},
		markQueueFull:          {"node's queue full", true},
		markAnnounced:          {"change of the members announced", false},
		markEpochEnded:         {"epoch ended", false},
		markSecondEpoch:        {"two epochs ended in one run", false},
		markJoined:             {"newcomer is a member", false},
		markJoinedLiar:         {"newcomer that is a traitor is a member", false},
		markLeft:               {"member removed", false},
		markLeftLiar:           {"traitor removed", false},
		markRotated:            {"key rotated", false},
		markGrew:               {"one more liar withstood than before", false},
		markShrank:             {"one liar less withstood than before", false},
		markFromOne:            {"a cluster of one has grown", true},
		markNewcomerVoted:      {"newcomer voted", false},
		markRemovedRefused:     {"removed node's vote refused", false},
		markOldKey:             {"statement with a removed or replaced key", false},
		markOldKeyRefused:      {"statement with a removed or replaced key refused", false},
		markLateEpoch:          {"message waited behind the door while its epoch ended", false},
		markOutsideChecked:     {"O20 took fingerprints round an outsider's message", false},
		markOutsideTold:        {"somebody told that an epoch ended", false},
		markRetired:            {"removed node ended, needed by nobody", false},
		markSlept:              {"node slept through an epoch's end", false},
		markLeap:               {"leap over an epoch's end", true},
		markCrashBetween:       {"crash between RECONFIG and the next epoch's record", false},
		markCrashNewEpoch:      {"crash while the next epoch's record was not durable", false},
		markCrashAnnounced:     {"crash between the announcement and the change", false},
		markChangeAtViewChange: {"view change with a RECONFIG batch prepared", false},
		markNeverMade:          {"announced change never made", false},
		markChangeTwice:        {"change ordered again after it was made", true},
		markFewSigned:          {"change that too few administrators signed", false},
		markEpochInLive:        {"epoch ended after the healing", false},
		markAskedOutside:       {"client asked who is no member", false},
		markLostGateway:        {"gateway removed while a client waited", false},
		markChangeChecked:      {"O5 looked at what a change rests on", false},
		markNamed:              {"what correct nodes keep names a traitor (O21)", false},
		markForkNamed:          {"fork found, f+1 named (--beyond-f)", true},
		markAskedTogether:      {"O18 looked at who made a replica leave a view", false},
		markSlow:               {"network so slow that timeouts must grow", false},
		markSteady:             {"operation beside those that the healed core owes", false},
		markForkAcross:         {"fork across views, f+1 named (--beyond-f)", true},
	}
}

// dropped looks at a message that changed nothing.
func (w *World) dropped(n *node, e pbft.Dropped) {
	w.dropCount++
	w.lastDrop = e.Why
	switch e.Why {
	case pbft.DropVoteConflict:
		w.mark(markVoteConflict)
	case pbft.DropBundleConflict:
		w.mark(markBundleConflict)
	case pbft.DropPrePrepareSecond:
		w.mark(markEquivocation)
	default:
	}
	_ = n
}

// observed looks at a step of the protocol.
func (w *World) observed(n *node, e pbft.Observed) {
	switch e.Event {
	case pbft.EventForgot:
		w.mark(markForgot)
	case pbft.EventRecovered:
		w.mark(markRecovered)
	case pbft.EventTransfer:
		w.mark(markTransfer)
		n.fetching = true
	case pbft.EventInstalled:
		w.mark(markInstalled)
		n.fetching = false
	case loop.EventLeap:
		w.mark(markLeap)
	case pbft.EventViewChange:
		if n.fetching {
			w.mark(markTransferInChange)
		}
	default:
	}
	w.handover(n, e)
	if !n.correct {
		return
	}
	switch e.Event {
	case pbft.EventComplained:
		w.mark(markComplained)
	case pbft.EventViewChange:
		w.viewChange(n, e)
		if _, closing := w.oracles.closing[e.Batch.Digest]; closing {
			w.mark(markChangeAtViewChange)
		}
	case pbft.EventNewView:
		w.mark(markNewView)
		if n.era() != w.newest() {
			return
		}
		if w.topView = max(w.topView, e.View); w.topView == 3 {
			w.mark(markDeepViews)
		}
	case pbft.EventOpen:
		if e.View > 0 {
			w.mark(markViewOpen)
		}
	case pbft.EventFrozen:
		w.mark(markFrozen)
	case pbft.EventFence:
		w.mark(markFenceLifted)
	case pbft.EventStable:
		w.mark(markStableMoved)
	case pbft.EventExecuted:
		if w.lying() {
			w.mark(markCommitUnderTraitor)
		}
	case pbft.EventProposed:
		if e.Batch.Seq > n.top.seq+1 {
			w.mark(markManyInFlight)
		}
	default:
	}
}

// lying reports whether some traitor has told a lie.
func (w *World) lying() bool {
	if w.lied {
		return true
	}
	for _, t := range w.liars() {
		for _, count := range t.Fired() {
			w.lied = w.lied || count > 0
		}
	}
	return w.lied
}

func (w *World) viewChange(n *node, e pbft.Observed) {
	if w.complained(n) {
		w.mark(markViewChange)
	} else {
		w.mark(markPlannedChange)
	}
	if e.Batch.Seq > 0 {
		w.mark(markPreparedAtChange)
	}
	if e.Batch.Seq > n.top.seq {
		w.mark(markUndecidedAtChange)
	}
}

// complained reports whether a view change has a reason beyond a rotation.
func (w *World) complained(*node) bool {
	return w.opts.Params.RotateEvery == 0 || w.marks[markComplained] > 0
}

// noteSent looks at what leaves a correct replica.
func (w *World) noteSent(from *node, m message.Message) {
	switch m := m.(type) {
	case *message.Vote:
		w.remembered(from, m)
		if m.Voter != from.place() {
			w.mark(markPassedOn)
		} else if epoch := from.era().cfg.Epoch; epoch > 0 && !w.eras[epoch-1].has(from.replica) {
			w.mark(markNewcomerVoted)
		}
	case *message.Checkpoint:
		w.remembered(from, m)
		w.oracles.claimed(from, m.Seq, m.Root)
	case *message.ViewChange:
		w.remembered(from, m)
		if m.Stmt.Stable.Seq > 0 {
			w.mark(markStableAtChange)
		}
	case *message.Decided:
		w.mark(markBehindServed)
	case *message.BatchReply:
		w.mark(markBatchFetched)
	case *message.PrePrepare:
		if len(m.IDs) > 1 {
			w.mark(markFullBatch)
		}
	default:
	}
}

// remembered keeps a statement for whoever wants to say something like it.
func (w *World) remembered(from *node, m message.Message) {
	w.recent[w.events%uint64(len(w.recent))] = said{from.era().cfg.Epoch, m}
}

// noteDelivered looks at what a replica has taken.
func (w *World) noteDelivered(n *node, p *packet) {
	if !n.correct {
		return
	}
	switch m := p.msg.(type) {
	case *message.Decided:
		w.mark(markDecidedTaken)
	case *message.Proof:
		w.mark(markProofTaken)
		if e := n.era(); m.NewView != nil && e.place[p.from] != e.cfg.Primary(m.NewView.View) {
			w.mark(markNewViewByProof)
		}
	case *message.Submission:
		if m.Bundle.Gateway != n.era().place[p.from] {
			w.mark(markBundleFetched)
		}
	default:
	}
}

// noteCrash looks at what a crash interrupts.
func (w *World) noteCrash(n *node) {
	if n.loop.Staged() > n.synced {
		w.mark(markCrashHeld)
	}
	if n.flushing {
		w.mark(markCrashFlushing)
	}
	st := n.loop.Replica().State()
	if st.Target > st.View {
		w.mark(markCrashInChange)
	}
	if st.Fetching > 0 {
		w.mark(markCrashFetching)
	}
	if st.Fenced {
		w.mark(markCrashFenced)
	}
	if st.Primary == n.loop.Self() {
		w.mark(markCrashPrimary)
	}
	if n.boot == 5 {
		w.mark(markRestartMany)
	}
	w.noteHandoverCrash(n)
}
