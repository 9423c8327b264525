package transport

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"byzd/crypto"
)

// controlProtocol carries the hello and then heartbeats. It does not contain the cluster ID, so
// that members of two clusters get as far as telling each other which.
const controlProtocol = "/byzd/control/1"

// helloTimeout bounds the whole exchange, and a link's time without one.
const helloTimeout = 3 * time.Second

// A hello is magic || u16 wire version || u8 verdict || u8 zero || cluster || u64 epoch ||
// identity. This layout holds for all wire versions: without it two versions could not name each
// other.
const (
	helloSize  = 4 + 2 + 1 + 1 + 32 + 8 + 32
	helloMagic = "byzd"
)

// verdict is what the side that was dialled answers.
type verdict uint8

const (
	verdictNone      verdict = iota // stands in the dialling side's hello
	verdictAccepted                 // the session begins
	verdictMismatch                 // the values differ; each side names them from both hellos
	verdictDuplicate                // another connection between the two is in use
)

type hello struct {
	version uint16
	verdict verdict
	cluster crypto.Digest
	epoch   uint64
	from    crypto.NodeID
}

func (h hello) encode() []byte {
	b := make([]byte, 0, helloSize)
	b = append(b, helloMagic...)
	b = binary.BigEndian.AppendUint16(b, h.version)
	b = append(b, byte(h.verdict), 0)
	b = append(b, h.cluster[:]...)
	b = binary.BigEndian.AppendUint64(b, h.epoch)
	return append(b, h.from[:]...)
}

// decodeHello is strict, so that a version to come can use the zero byte only with a new version.
func decodeHello(b []byte) (hello, error) {
	if len(b) != helloSize || string(b[:4]) != helloMagic || b[7] != 0 ||
		verdict(b[6]) > verdictDuplicate {
		return hello{}, errHello
	}
	return hello{
		version: binary.BigEndian.Uint16(b[4:]),
		verdict: verdict(b[6]),
		cluster: crypto.Digest(b[8:40]),
		epoch:   binary.BigEndian.Uint64(b[40:]),
		from:    crypto.NodeID(b[48:80]),
	}, nil
}

func writeHello(stream Stream, h hello) error {
	if err := stream.SetWriteDeadline(time.Now().Add(helloTimeout)); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if _, err := stream.Write(h.encode()); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	return nil
}

// readHello leaves the read deadline in place; the caller lifts it.
func readHello(stream Stream) (hello, error) {
	if err := stream.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return hello{}, fmt.Errorf("hello: %w", err)
	}
	var b [helloSize]byte
	if _, err := io.ReadFull(stream, b[:]); err != nil {
		return hello{}, fmt.Errorf("hello: %w", err)
	}
	return decodeHello(b[:])
}

// mismatch is a difference between two hellos.
type mismatch struct {
	reason  error
	counter counter
	text    string // to be put after "peer X "
}

// judge compares the other side's hello with ours; nil means that they fit.
func (h hello) judge(theirs hello, proved crypto.NodeID) *mismatch {
	switch {
	case theirs.version != h.version:
		return &mismatch{errVersion, cHelloVersion, fmt.Sprintf(
			"speaks wire version %d, this node speaks %d", theirs.version, h.version,
		)}
	case theirs.cluster != h.cluster:
		return &mismatch{errCluster, cHelloCluster, fmt.Sprintf(
			"belongs to cluster %s, this node to %s", theirs.cluster.Short(), h.cluster.Short(),
		)}
	case theirs.epoch != h.epoch:
		return &mismatch{errEpoch, cHelloEpoch, fmt.Sprintf(
			"is in epoch %d, this node in %d", theirs.epoch, h.epoch,
		)}
	case theirs.from != proved:
		return &mismatch{errIdentity, cHelloPeer, fmt.Sprintf("calls itself %s", theirs.from)}
	default:
		return nil
	}
}
