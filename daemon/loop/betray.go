package loop

import (
	"byzd/pbft"
	"byzd/pbft/message"
)

// forgotten asks the traitor, if this node is one, whether a client's operation is ordered at all,
// and hands out what the client is told instead.
func (l *Loop) forgotten(item message.Item, client string, tag uint64) bool {
	if l.cfg.Adversary == nil {
		return false
	}
	taken := l.cfg.Adversary.Submitted(l.now, client, &item)
	if !taken.Forget {
		return false
	}
	lie := &Applied{}
	if taken.Answer != nil {
		lie.Own = []Result{{Tag: tag, Client: client, Item: &item, Value: taken.Answer}}
	}
	if taken.Reply != nil {
		lie.Replies = []*message.Reply{taken.Reply}
		lie.Own = append(lie.Own, Result{Tag: tag, Client: client, Item: &item})
	}
	l.held = append(l.held, held{lsn: l.staged, applied: lie})
	return true
}

// betray lets the traitor, if this node is one, change or withhold what clients are told.
func (l *Loop) betray(a *Applied) {
	if l.cfg.Adversary == nil {
		return
	}
	own := a.Own[:0]
	for _, r := range a.Own {
		if r.Item.Signed == nil && r.Outcome == pbft.Run {
			answer, send := l.cfg.Adversary.Answered(l.now, r.Client, r.Item, r.Value)
			if !send {
				continue
			}
			r.Value = answer
		}
		own = append(own, r)
	}
	a.Own = own
	replies := a.Replies[:0:0]
	for _, p := range a.Replies {
		if p = l.cfg.Adversary.Replied(l.now, p); p != nil {
			replies = append(replies, p)
		}
	}
	a.Replies = replies
}
