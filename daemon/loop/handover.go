package loop

import (
	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// handover is a change that was announced: approved by enough administrators and ordered, so that
// every member knows it from the log, also after a restart. Newcomers are let in and follow;
// whoever is to be a member of the next epoch says that it is ready, and when enough have, the
// change is ordered again with their words, and takes effect. The last one that was announced
// counts.
type handover struct {
	rc     *message.Reconfiguration // without anybody's word
	next   *message.Config          // what it leads to; its base is not known yet
	digest crypto.Digest
	ready  map[int]*message.Ready // by place in the change

	lookAt  int64 // when to look again whether enough are
	sayAt   int64 // when this node says again that it is ready
	tellAt  int64 // when it tells again those of the change who are not
	since   int64 // since when enough are; -1 while they are not
	orderAt int64 // when this node orders the change, again
}

// Times of a hand-over, in milliseconds.
const (
	sayReady   = 500
	tellChange = 2_000
	lookAgain  = 200
	orderAgain = 5_000
	// orderAfter is how long members wait for the primary to order a change that can be made, each
	// a little longer than the one before it: then its age in their queues decides (rule R9).
	orderAfter = 1_000
)

// announce takes a change that was ordered and can be made in this epoch.
func (l *Loop) announce(rc *message.Reconfiguration) (approved bool) {
	next, err := rc.Approved(l.exec.cfg, message.Ref{})
	if err != nil {
		return false
	}
	digest := rc.Change.Digest()
	if l.handover.rc != nil && l.handover.digest == digest {
		return true
	}
	l.handover = handover{
		rc:   &message.Reconfiguration{Change: rc.Change, Approvals: rc.Approvals},
		next: next, digest: digest, ready: map[int]*message.Ready{}, since: -1,
		tellAt: l.now + tellChange,
	}
	if l.cfg.Announced != nil {
		l.cfg.Announced(next)
	}
	return true
}

// onAnnouncement takes a change from a member that says that it was announced, unless the log says
// already what counts.
func (l *Loop) onAnnouncement(from crypto.NodeID, m *message.Announcement) {
	if l.handover.rc == nil && l.heeds(from) && !l.announce(m.Reconfig) {
		l.lied(from)
	}
}

// Pending returns what was announced and is not made yet, what it leads to, and which of the
// members that it leads to, by their numbers, say that they are ready; nil if there is nothing.
func (l *Loop) Pending() (rc *message.Reconfiguration, next *message.Config, ready []int) {
	h := &l.handover
	if h.rc == nil {
		return nil, nil, nil
	}
	for i := range h.next.Members {
		if h.ready[i] != nil {
			ready = append(ready, i)
		}
	}
	return h.rc, h.next, ready
}

// tickHandover says that this node is ready for what was announced, and orders it when enough are.
func (l *Loop) tickHandover() {
	h := &l.handover
	if h.rc == nil || l.ended != nil {
		return
	}
	if l.now >= h.sayAt {
		h.sayAt = l.now + sayReady
		l.sayReady()
	}
	if l.now >= h.tellAt {
		h.tellAt = l.now + tellChange
		l.tellChange()
	}
	rc := l.readied()
	if rc == nil {
		h.since = -1
		return
	}
	if h.since < 0 {
		h.since = l.now
	}
	primary := l.replica.Primary() == l.cfg.Self
	turn := h.since + orderAfter*int64(1+l.cfg.Self)
	if l.cfg.Self == pbft.Observer || l.now < h.orderAt || !primary && l.now < turn {
		return
	}
	h.orderAt = l.now + orderAgain
	l.submitBundle([]operation{{item: message.Item{Reconfig: rc}}})
}

// sayReady signs that this node is ready, by the key that the change names for it, if it has that.
func (l *Loop) sayReady() {
	h := &l.handover
	i := h.next.Member(l.node)
	if i < 0 || l.last == nil || l.replica.State().Halted != "" {
		return
	}
	for _, s := range l.signers {
		if !s.Public().Equal(h.next.Members[i].Key) {
			continue
		}
		m := message.SignReady(l.cfg.Cluster, h.rc.Change, i, *l.last, s)
		h.ready[i] = m
		l.hold(held{lsn: l.staged, to: pbft.All, msg: l.cfg.Sealer.Seal(m), send: true})
	}
}

// tellChange tells those who do not say that they are ready what was announced. Who came by state
// transfer, or started from a snapshot, has not executed it.
func (l *Loop) tellChange() {
	h := &l.handover
	if l.cfg.Self == pbft.Observer {
		return
	}
	for i := range h.next.Members {
		if to := h.next.Members[i].Node; h.ready[i] == nil && to != l.node {
			l.sendNode(to, l.cfg.Cluster.Epoch, &message.Announcement{Reconfig: h.rc})
		}
	}
}

// onReady takes a word that somebody is ready, whoever passes it on.
func (l *Loop) onReady(from crypto.NodeID, m *message.Ready) {
	h := &l.handover
	if h.rc == nil || !l.heeds(from) || m.Change != h.digest || m.Member >= len(h.next.Members) {
		return
	}
	if old := h.ready[m.Member]; old != nil && old.Header.TimeMS >= m.Header.TimeMS {
		return
	}
	if !m.Holds(l.cfg.Cluster, h.next, h.digest) {
		l.lied(from)
		return
	}
	h.ready[m.Member] = m
}

// readied returns the change with everybody's word, if a batch that was made now would end the
// epoch by it.
func (l *Loop) readied() *message.Reconfiguration {
	h := &l.handover
	if l.last == nil || len(h.ready) < h.next.Sizes.Quorum || l.now < h.lookAt {
		return nil
	}
	rc := &message.Reconfiguration{Change: h.rc.Change, Approvals: h.rc.Approvals}
	at := message.Header{Seq: l.last.Seq + 1, TimeMS: max(l.last.TimeMS, l.now)}
	for i := range h.next.Members {
		if m := h.ready[i]; m != nil && at.TimeMS-m.Header.TimeMS <= message.ReadyFor/2 {
			rc.Ready = append(rc.Ready, m)
		}
	}
	if h.since >= 0 && len(rc.Ready) == len(h.ready) {
		return rc // it was looked at when the last of them came
	}
	if _, err := rc.NextConfig(l.cfg.Cluster, &at); err != nil {
		h.lookAt = l.now + lookAgain
		return nil
	}
	return rc
}
