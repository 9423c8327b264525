package transport

import "sync/atomic"

// counter names one thing that the transport counts; names lists them.
type counter uint8

const (
	cGaterStranger counter = iota
	cConditionsAccept
	cConditionsDial
	cConditionsDrop
	cConditionsDelay
	cConditionsDuplicate
	cControlMalformed
	cDialFailed
	cDials
	cFrameMalformed
	cFrameTooLarge
	cFramesLost
	cHeardMalformed
	cHeardStranger
	cHeartbeatLost
	cHelloCluster
	cHelloEpoch
	cHelloMalformed
	cHelloPeer
	cHelloRefused
	cHelloTimeout
	cHelloVersion
	cLamportJump
	cLinkDuplicate
	cLinkRate
	cNotConnected
	cReadTimeout
	cRefusedConns
	cRefusedHandshake
	cRefusedStreams
	cSendEmpty
	cSendTooLarge
	cSendUnknown
	cSessionsDown
	cSessionsUp
	cStreamEarly
	cStreamUnknown
	cSupersededLink
	cSupersededStream
	cWriteTimeout

	counterCount
)

// names returns the counters' public names.
func names() [counterCount]string {
	return [counterCount]string{
		cGaterStranger:       "gater_stranger",
		cConditionsAccept:    "conditions_accept",
		cConditionsDial:      "conditions_dial",
		cConditionsDrop:      "conditions_drop",
		cConditionsDelay:     "conditions_delay",
		cConditionsDuplicate: "conditions_duplicate",
		cControlMalformed:    "control_malformed",
		cDialFailed:          "dial_failed",
		cDials:               "dials",
		cFrameMalformed:      "frame_malformed",
		cFrameTooLarge:       "frame_too_large",
		cFramesLost:          "frames_lost",
		cHeardMalformed:      "heard_malformed",
		cHeardStranger:       "heard_stranger",
		cHeartbeatLost:       "heartbeat_lost",
		cHelloCluster:        "hello_cluster",
		cHelloEpoch:          "hello_epoch",
		cHelloMalformed:      "hello_malformed",
		cHelloPeer:           "hello_peer",
		cHelloRefused:        "hello_refused",
		cHelloTimeout:        "hello_timeout",
		cHelloVersion:        "hello_version",
		cLamportJump:         "lamport_jump",
		cLinkDuplicate:       "link_duplicate",
		cLinkRate:            "link_rate",
		cNotConnected:        "not_connected",
		cReadTimeout:         "read_timeout",
		cRefusedConns:        "refused_connections",
		cRefusedHandshake:    "refused_handshakes",
		cRefusedStreams:      "refused_streams",
		cSendEmpty:           "send_empty",
		cSendTooLarge:        "send_too_large",
		cSendUnknown:         "send_unknown_peer",
		cSessionsDown:        "sessions_down",
		cSessionsUp:          "sessions_up",
		cStreamEarly:         "stream_early",
		cStreamUnknown:       "stream_unknown",
		cSupersededLink:      "superseded_link",
		cSupersededStream:    "superseded_stream",
		cWriteTimeout:        "write_timeout",
	}
}

// traffic counts one class's frames, and their bytes with headers.
type traffic struct {
	framesIn, framesOut, bytesIn, bytesOut, queueFull atomic.Uint64
}

// counters holds every counter of one transport.
type counters struct {
	events  [counterCount]atomic.Uint64
	classes [classCount]traffic
}

func (c *counters) add(which counter) { c.events[which].Add(1) }

// snapshot returns every counter by its name.
func (c *counters) snapshot() map[string]uint64 {
	all := make(map[string]uint64, int(counterCount)+5*int(classCount))
	for which, name := range names() {
		all[name] = c.events[which].Load()
	}
	for class := range classCount {
		t, name := &c.classes[class], class.String()
		all["frames_in_"+name] = t.framesIn.Load()
		all["frames_out_"+name] = t.framesOut.Load()
		all["bytes_in_"+name] = t.bytesIn.Load()
		all["bytes_out_"+name] = t.bytesOut.Load()
		all["queue_full_"+name] = t.queueFull.Load()
	}
	return all
}
