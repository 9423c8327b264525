package membership

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// These are memberlist's own messages (its net.go), in the msgpack that it speaks with its
// Transport. They never cross the network: what we hand to memberlist was made here.

type listPing struct {
	SeqNo      uint32
	Node       string
	SourceAddr []byte `codec:",omitempty"`
	SourcePort uint16 `codec:",omitempty"`
	SourceNode string `codec:",omitempty"`
}

type listIndirectPing struct {
	SeqNo  uint32
	Target []byte
	Port   uint16
	Node   string
}

type listAck struct {
	SeqNo   uint32
	Payload []byte
}

type listNack struct{ SeqNo uint32 }

// listClaim is memberlist's suspect and its dead.
type listClaim struct {
	Incarnation uint32
	Node        string
	From        string
}

type listAlive struct {
	Incarnation uint32
	Node        string
	Addr        []byte
	Port        uint16
	Meta        []byte
	Vsn         []uint8
}

type listHeader struct {
	Nodes        int
	UserStateLen int
	Join         bool
}

type listNode struct {
	Name        string
	Addr        []byte
	Port        uint16
	Meta        []byte
	Incarnation uint32
	State       int
	Vsn         []uint8
}

// Kinds that only memberlist and its Transport exchange.
const (
	listIndirectPingKind kind = 1
	listCompoundKind     kind = 7
)

// memberlist's numbers of a node's state, in a push/pull.
const (
	listStateAlive = iota
	listStateSuspect
	listStateDead
	listStateLeft
)

// listVersions is what every member speaks towards memberlist: protocol 1 to 4 (nacks, but no
// checksum, which the signature makes superfluous), at present 2; no delegate protocol.
func listVersions() []uint8 { return []uint8{1, 4, 2, 0, 0, 0} }

// encodeList makes one message as memberlist reads it.
func encodeList(k kind, parts ...any) []byte {
	var b bytes.Buffer
	b.WriteByte(byte(k))
	encoder := codec.NewEncoder(&b, &codec.MsgpackHandle{})
	for _, part := range parts {
		if err := encoder.Encode(part); err != nil {
			panic(fmt.Sprintf("membership: encode %T for memberlist: %v", part, err))
		}
	}
	return b.Bytes()
}

func decodeList(b []byte, into any) error {
	if err := codec.NewDecoderBytes(b, &codec.MsgpackHandle{}).Decode(into); err != nil {
		return fmt.Errorf("decode %T of memberlist: %w", into, err)
	}
	return nil
}

var errListShort = errors.New("memberlist wrote a message that is cut short")

// splitList takes a packet of memberlist apart into its messages.
func splitList(b []byte) ([][]byte, error) {
	if len(b) < 1 || kind(b[0]) != listCompoundKind {
		return [][]byte{b}, nil
	}
	r := &reader{rest: b[1:]}
	count := int(r.uint8())
	sizes := r.take(2 * count)
	if r.failed {
		return nil, errListShort
	}
	parts := make([][]byte, count)
	for i := range parts {
		parts[i] = r.take(int(binary.BigEndian.Uint16(sizes[2*i:])))
	}
	if r.failed {
		return nil, errListShort
	}
	return parts, nil
}

// decodeListState reads the push/pull that memberlist has written, behind its kind byte.
func decodeListState(b []byte) ([]listNode, error) {
	decoder := codec.NewDecoder(bytes.NewReader(b), &codec.MsgpackHandle{})
	var h listHeader
	if err := decoder.Decode(&h); err != nil {
		return nil, fmt.Errorf("decode a push/pull of memberlist: %w", err)
	}
	var nodes []listNode
	for range h.Nodes {
		var n listNode
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return nil, errListShort
		}
		if err != nil {
			return nil, fmt.Errorf("decode a push/pull of memberlist: %w", err)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// encodeListState makes a push/pull as memberlist reads it.
func encodeListState(nodes []listNode) []byte {
	parts := make([]any, 0, 1+len(nodes))
	parts = append(parts, &listHeader{Nodes: len(nodes)})
	for i := range nodes {
		parts = append(parts, &nodes[i])
	}
	return encodeList(kindState, parts...)
}
