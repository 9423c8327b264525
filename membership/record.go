package membership

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"byzd/crypto"
)

const (
	// signatureSize is that of Ed25519.
	signatureSize = 64
	// announcementMax bounds an encoded announcement, signature included. It is what memberlist
	// allows for a node's metadata, so that three fit into one packet.
	announcementMax = 512
	// addressMax bounds the transport and the client address of a record, in bytes, so that an
	// announcement always stays below announcementMax.
	addressMax = 180
	// incarnationMax bounds how often a node may refute within one run; memberlist would wrap
	// round at 2³². A member that 33 liars each accuse once a second reaches it after a year.
	incarnationMax = 1 << 30
	// recordDomain keeps a signed record from meaning anything elsewhere.
	recordDomain = "byzd/swim/1/record\x00"
)

// Record says where a member can be reached. The member itself has signed it, bound to the cluster.
type Record struct {
	// ID is the member that the record is about, and that signed it.
	ID crypto.NodeID
	// SwimAddr is where gossip reaches the member: an IP address and a port, UDP and TCP.
	SwimAddr string
	// TransportAddr is where the member's transport listens; opaque here, at most 180 bytes.
	TransportAddr string
	// ClientAddr is where the member serves clients; opaque here, at most 180 bytes.
	ClientAddr string
	// Counter grows with each start of the member. A record with a larger one replaces the other.
	Counter uint64
}

// announcement is a record together with the member's claim to be alive (or to have left) in one
// incarnation. Only the member can make it, so nobody else can move its address, raise its
// incarnation, bring it back from the dead or send it away.
type announcement struct {
	subject     uint16
	incarnation uint32
	left        bool
	record      Record
	signature   [signatureSize]byte
}

// newer reports whether a was made after b: by run, then by incarnation; leaving ends a run.
func (a *announcement) newer(b *announcement) bool {
	if a.record.Counter != b.record.Counter {
		return a.record.Counter > b.record.Counter
	}
	if a.incarnation != b.incarnation {
		return a.incarnation > b.incarnation
	}
	return a.left && !b.left
}

// appendTo appends the wire form: everything but the member's key, which the index stands for.
func (a *announcement) appendTo(b []byte) []byte {
	return append(a.appendBody(b), a.signature[:]...)
}

func (a *announcement) appendBody(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, a.subject)
	b = binary.BigEndian.AppendUint64(b, a.record.Counter)
	b = binary.BigEndian.AppendUint32(b, a.incarnation)
	flag := byte(0)
	if a.left {
		flag = 1
	}
	b = append(b, flag)
	for _, s := range [...]string{
		a.record.SwimAddr, a.record.TransportAddr, a.record.ClientAddr,
	} {
		b = append(b, byte(len(s))) //nolint:gosec // at most addressMax
		b = append(b, s...)
	}
	return b
}

// size is the length of the wire form.
func (a *announcement) size() int {
	return 2 + 8 + 4 + 1 + 3 + len(a.record.SwimAddr) + len(a.record.TransportAddr) +
		len(a.record.ClientAddr) + signatureSize
}

// signed returns the bytes that the member signs.
func (a *announcement) signed(cluster crypto.Digest) []byte {
	b := make([]byte, 0, len(recordDomain)+len(cluster)+len(a.record.ID)+announcementMax)
	b = append(b, recordDomain...)
	b = append(b, cluster[:]...)
	b = append(b, a.record.ID[:]...)
	return a.appendBody(b)
}

func (a *announcement) sign(cluster crypto.Digest, key crypto.NetworkKey) {
	copy(a.signature[:], key.Sign(a.signed(cluster)))
}

// authentic reports whether the member that the announcement names has signed it.
func (a *announcement) authentic(cluster crypto.Digest) bool {
	return a.record.ID.Verify(a.signed(cluster), a.signature[:])
}

// readAnnouncement takes an announcement from r. It checks the form, not the signature.
func readAnnouncement(r *reader, members []Member) (*announcement, refusal) {
	a := &announcement{subject: r.uint16()}
	a.record.Counter = r.uint64()
	a.incarnation = r.uint32()
	flag := r.uint8()
	a.record.SwimAddr = r.short()
	a.record.TransportAddr = r.short()
	a.record.ClientAddr = r.short()
	copy(a.signature[:], r.take(signatureSize))
	switch {
	case r.failed, flag > 1:
		return nil, refusedMalformed
	case int(a.subject) >= len(members):
		return nil, refusedNameUnknown
	case a.size() > announcementMax:
		return nil, refusedOversize
	case a.incarnation > incarnationMax:
		return nil, refusedIncarnationTooHigh
	}
	if err := a.record.check(); err != nil {
		return nil, refusedMalformed
	}
	a.left = flag == 1
	a.record.ID = members[a.subject].ID
	return a, accepted
}

// check says what is wrong with the form of a record.
func (r Record) check() error {
	if _, err := parseSwimAddr(r.SwimAddr); err != nil {
		return err
	}
	if err := checkAddress(r.TransportAddr); err != nil {
		return fmt.Errorf("transport address: %w", err)
	}
	if err := checkAddress(r.ClientAddr); err != nil {
		return fmt.Errorf("client address: %w", err)
	}
	return nil
}

var errNotSwimAddr = errors.New("not a usable IP address and port in their usual form")

// parseSwimAddr reads an address that packets can be sent to. Only one spelling of an address is
// accepted, so that equal addresses are equal strings.
func parseSwimAddr(text string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("gossip address %q: %w", text, err)
	}
	ip := addr.Addr()
	if addr.String() != text || ip.Is4In6() || ip.IsUnspecified() || ip.IsMulticast() ||
		ip.Zone() != "" || addr.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("gossip address %q: %w", text, errNotSwimAddr)
	}
	return addr, nil
}

var (
	errAddressLong  = fmt.Errorf("longer than %d bytes", addressMax)
	errAddressBytes = errors.New("holds a space or a byte that is not printable ASCII")
)

// checkAddress bounds an opaque address. It will be shown on pages and terminals, so it must be
// printable.
func checkAddress(text string) error {
	if len(text) > addressMax {
		return errAddressLong
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return errAddressBytes
		}
	}
	return nil
}
