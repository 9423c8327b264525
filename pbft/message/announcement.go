package message

// Announcement tells a member of the next epoch, who may not have executed it, of a change that was
// announced: it came by state transfer, or started from a snapshot. The approvals speak for it. It
// is no longer than the operation that announced it.
type Announcement struct{ Reconfig *Reconfiguration }

// Type implements [Message].
func (*Announcement) Type() Type { return TypeAnnouncement }

func (m *Announcement) encode(w *writer) { m.Reconfig.encode(w) }

func decodeAnnouncement(r *reader) *Announcement {
	return &Announcement{Reconfig: decodeReconfiguration(r)}
}
