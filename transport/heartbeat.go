package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// After the hello the control stream carries frames of u8 kind || u64 sequence number.
const (
	controlSize  = 1 + 8
	controlQueue = 64 // frames; the oldest heartbeats are of no use when that many wait

	kindPing byte = 1
	kindPong byte = 2
)

// pings remembers when the last few pings were sent, to time their answers.
type pings struct {
	mu   sync.Mutex
	next uint64
	sent [8]time.Time
}

func (p *pings) send() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	sequence := p.next
	p.sent[sequence%uint64(len(p.sent))] = time.Now()
	p.next++
	return sequence
}

// answered returns the round-trip time, unless the ping is too old, not ours or answered already.
func (p *pings) answered(sequence uint64) (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	place := &p.sent[sequence%uint64(len(p.sent))]
	if sequence >= p.next || p.next-sequence > uint64(len(p.sent)) || place.IsZero() {
		return 0, false
	}
	trip := time.Since(*place)
	*place = time.Time{}
	return max(trip, 1), true
}

// beat sends heartbeats and returns when the peer has been silent for too long.
func (s *session) beat() error {
	interval := s.mesh.cfg.Heartbeat
	ticker := time.NewTicker(max(interval/2, 1))
	defer ticker.Stop()
	s.sendControl(kindPing, s.pings.send())
	for odd := true; ; odd = !odd {
		select {
		case <-ticker.C:
		case <-s.done:
			return ErrClosed
		}
		if silent := s.heardAgo(); silent > silentIntervals*interval {
			s.mesh.counters.add(cHeartbeatLost)
			return fmt.Errorf("%w for %s", errSilent, silent.Round(time.Millisecond))
		}
		if !odd {
			s.sendControl(kindPing, s.pings.send())
		}
	}
}

// sendControl queues a heartbeat. In a testnet it meets the fate of a vote of its size, so that
// a partition silences it too.
func (s *session) sendControl(kind byte, sequence uint64) {
	s.mesh.post(s, controlLane, encodeControl(kind, sequence), 0)
}

func encodeControl(kind byte, sequence uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, sequence)
}

// decodeControl is strict: nothing but a ping or a pong of the right size is one.
func decodeControl(frame []byte) (kind byte, sequence uint64, ok bool) {
	if len(frame) != controlSize || frame[0] != kindPing && frame[0] != kindPong {
		return 0, 0, false
	}
	return frame[0], binary.BigEndian.Uint64(frame[1:]), true
}

// readControl reads heartbeats until the control stream fails, and with it the session.
func (s *session) readControl(control Stream) error {
	frames := s.frames(control, 8*(headerSize+controlSize), controlSize)
	for {
		_, frame, err := frames.next()
		switch {
		case errors.Is(err, io.EOF):
			return errStreamEnded
		case errors.Is(err, errFrameTooLarge), errors.Is(err, errFrameEmpty):
			return s.controlMalformed()
		case timedOut(err):
			s.mesh.refuse(cReadTimeout, s.remote.id, "left a control frame unfinished")
			return fmt.Errorf("read control: %w", err)
		case err != nil:
			return fmt.Errorf("read control: %w", err)
		}
		kind, sequence, ok := decodeControl(frame)
		if !ok {
			return s.controlMalformed()
		}
		if kind == kindPing {
			s.sendControl(kindPong, sequence)
		} else if trip, ok := s.pings.answered(sequence); ok {
			s.remote.rtt.Store(int64(trip))
		}
	}
}

func (s *session) controlMalformed() error {
	s.mesh.refuse(cControlMalformed, s.remote.id, "sent a malformed control frame")
	return errControl
}
