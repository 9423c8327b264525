package loop_test

import (
	"testing"

	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// What does not hold of a change of the members costs signature checks, on the loop: who sends it is
// not listened to for a second, and others are (PROTOCOL §4.15).
func TestForgedWordsOfAChangeCostLittle(t *testing.T) {
	w := newTown(t, 4, 1)
	w.work(0, 5)
	n, cfg := w.nodes[0], w.genesis
	change := pbfttest.Reconfiguration(cfg, []int{0, 1, 2, 3, 4}, message.Header{})
	forged := *change
	forged.Approvals = append([]message.Approval{}, change.Approvals...)
	forged.Approvals[0].Sig = append([]byte{}, forged.Approvals[0].Sig...)
	forged.Approvals[0].Sig[0] ^= 1
	tell := func(from int, m message.Message) {
		w.deliver(letter{from, 0, message.Encode(cfg.Epoch, m)})
	}
	noticed := func(want int, what string) {
		t.Helper()
		if got := n.drops["ahead_not_proved"]; got != want {
			t.Fatalf("%d %s were looked at, not %d", got, what, want)
		}
	}
	for range 100 {
		tell(3, &message.Announcement{Reconfig: &forged})
	}
	noticed(1, "forged announcements")
	w.runFor(1100, nil)
	tell(3, &message.Announcement{Reconfig: &forged})
	noticed(2, "forged announcements")
	if rc, _, _ := n.loop.Pending(); rc != nil {
		t.Fatal("a forged change is taken for one that was announced")
	}
	tell(2, &message.Announcement{Reconfig: change})
	if rc, _, _ := n.loop.Pending(); rc == nil {
		t.Fatal("an honest member is not listened to")
	}
	_, stranger := pbfttest.Member(cfg.Scheme, 2)
	for k := range 100 { // later words of member 1, which it never gave
		last := message.Header{
			Cluster: cfg.Cluster, Epoch: cfg.Epoch, Seq: 6, TimeMS: w.now + int64(k),
		}
		tell(2, message.SignReady(cfg, change.Change, 1, last, stranger))
	}
	noticed(3, "forged words, READY among them,")
}
