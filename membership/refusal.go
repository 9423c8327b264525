package membership

import "sync/atomic"

// refusal is the reason for not believing something that came from the network. The zero value
// means that nothing was refused.
type refusal uint8

const (
	accepted refusal = iota
	refusedForeignVersion
	refusedForeignCluster
	refusedUnknownSender
	refusedWrongRecipient
	refusedBadSignature
	refusedReplayed
	refusedOldRun
	refusedRateLimited
	refusedOversize
	refusedMalformed
	refusedUserMessage
	refusedCompressedMessage
	refusedEncryptedMessage
	refusedNameUnknown
	refusedRecordUnsigned
	refusedRecordOld
	refusedRecordConflict
	refusedIncarnationTooHigh
	refusedSelfConflict
	refusedStaleClaim
	refusedHearsayDemoted
	refusedHearsayIgnored
	refusedForeignAck
	refusedRelay
	refusedStreamsFull
	refusedWrongMember
	refusedStreamFailed
	refusedCut
	refusedDelayFull
	refusedSendFailed
	refusedLogSuppressed
	refusalCount
)

// String returns the name under which the refusal is counted.
func (r refusal) String() string {
	return [...]string{
		accepted:                  "accepted",
		refusedForeignVersion:     "foreign_version",
		refusedForeignCluster:     "foreign_cluster",
		refusedUnknownSender:      "unknown_sender",
		refusedWrongRecipient:     "wrong_recipient",
		refusedBadSignature:       "bad_signature",
		refusedReplayed:           "replayed",
		refusedOldRun:             "old_run",
		refusedRateLimited:        "rate_limited",
		refusedOversize:           "oversize",
		refusedMalformed:          "malformed",
		refusedUserMessage:        "user_message",
		refusedCompressedMessage:  "compressed_message",
		refusedEncryptedMessage:   "encrypted_message",
		refusedNameUnknown:        "name_unknown",
		refusedRecordUnsigned:     "record_unsigned",
		refusedRecordOld:          "record_old",
		refusedRecordConflict:     "record_conflict",
		refusedIncarnationTooHigh: "incarnation_too_high",
		refusedSelfConflict:       "self_conflict",
		refusedStaleClaim:         "stale_claim",
		refusedHearsayDemoted:     "hearsay_demoted",
		refusedHearsayIgnored:     "hearsay_ignored",
		refusedForeignAck:         "foreign_ack",
		refusedRelay:              "relay_refused",
		refusedStreamsFull:        "streams_full",
		refusedWrongMember:        "wrong_member",
		refusedStreamFailed:       "stream_failed",
		refusedCut:                "cut",
		refusedDelayFull:          "delay_full",
		refusedSendFailed:         "send_failed",
		refusedLogSuppressed:      "log_suppressed",
	}[r]
}

// tally counts refusals by reason. It is safe for concurrent use.
type tally struct {
	counts [refusalCount]atomic.Uint64
}

func (t *tally) add(r refusal) {
	if r != accepted {
		t.counts[r].Add(1)
	}
}

// snapshot returns every reason with its count, zeros included, so that a metric exists before its
// first event.
func (t *tally) snapshot() map[string]uint64 {
	counts := make(map[string]uint64, refusalCount)
	for r := accepted + 1; r < refusalCount; r++ {
		counts[r.String()] = t.counts[r].Load()
	}
	return counts
}
