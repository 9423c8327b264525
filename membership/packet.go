package membership

import (
	"bytes"
	"encoding/binary"

	"byzd/crypto"
)

const (
	// wireVersion is the first byte of every packet and of every stream.
	wireVersion = 1
	// clusterMark is how much of the cluster ID stands openly in a packet, so that a neighbour with
	// another genesis is told apart from an attack. The whole of it is under the signature.
	clusterMark = 8
	// packetMax is what passes an Ethernet without being cut up, as in memberlist.
	packetMax = 1400
	// headerSize: version, cluster, sender, recipient, run, recipient's run, sequence number.
	headerSize = 1 + clusterMark + 2 + 2 + 8 + 8 + 8
	// bodyMax is what is left for messages.
	bodyMax = packetMax - headerSize - signatureSize
	// innerMax bounds a packet that is passed on: a header, one ping or ack, a signature.
	innerMax = headerSize + 5 + signatureSize
	// packetDomain keeps a signed packet from meaning anything elsewhere.
	packetDomain = "byzd/swim/1/packet\x00"
)

// header says between whom a packet goes, and when.
type header struct {
	sender, recipient uint16
	run               uint64 // the sender's start counter
	recipientRun      uint64 // the recipient's start counter as the sender knows it, or 0
	sequence          uint64 // counts the sender's packets to the recipient in this run, from 1
}

// appendHeader appends the wire form of h in a cluster.
func appendHeader(b []byte, cluster crypto.Digest, h header) []byte {
	b = append(b, wireVersion)
	b = append(b, cluster[:clusterMark]...)
	b = binary.BigEndian.AppendUint16(b, h.sender)
	b = binary.BigEndian.AppendUint16(b, h.recipient)
	b = binary.BigEndian.AppendUint64(b, h.run)
	b = binary.BigEndian.AppendUint64(b, h.recipientRun)
	return binary.BigEndian.AppendUint64(b, h.sequence)
}

// readHeader takes the header from the front of a packet and checks it against the genesis.
func readHeader(packet []byte, cluster crypto.Digest, members int) (header, refusal) {
	if len(packet) > packetMax {
		return header{}, refusedOversize
	}
	if len(packet) <= headerSize+signatureSize {
		return header{}, refusedMalformed
	}
	r := &reader{rest: packet}
	if r.uint8() != wireVersion {
		return header{}, refusedForeignVersion
	}
	if !bytes.Equal(r.take(clusterMark), cluster[:clusterMark]) {
		return header{}, refusedForeignCluster
	}
	h := header{
		sender: r.uint16(), recipient: r.uint16(),
		run: r.uint64(), recipientRun: r.uint64(), sequence: r.uint64(),
	}
	switch {
	case int(h.sender) >= members:
		return header{}, refusedUnknownSender
	case int(h.recipient) >= members:
		return header{}, refusedWrongRecipient
	case h.sequence == 0:
		return header{}, refusedMalformed
	}
	return h, accepted
}

// sealPacket signs header and body into one packet. The body is at most bodyMax bytes long.
func sealPacket(cluster crypto.Digest, key crypto.NetworkKey, h header, body []byte) []byte {
	packet := make([]byte, 0, headerSize+len(body)+signatureSize)
	packet = appendHeader(packet, cluster, h)
	packet = append(packet, body...)
	return append(packet, key.Sign(packetSigned(cluster, packet))...)
}

// openPacket checks the signature of a packet whose header has been read, and returns its body.
func openPacket(cluster crypto.Digest, sender crypto.NodeID, packet []byte) ([]byte, refusal) {
	end := len(packet) - signatureSize
	if !sender.Verify(packetSigned(cluster, packet[:end]), packet[end:]) {
		return nil, refusedBadSignature
	}
	return packet[headerSize:end], accepted
}

func packetSigned(cluster crypto.Digest, unsigned []byte) []byte {
	b := make([]byte, 0, len(packetDomain)+len(cluster)+len(unsigned))
	b = append(b, packetDomain...)
	b = append(b, cluster[:]...)
	return append(b, unsigned...)
}

// readBody decodes all messages of a body, or says why it will have none of them.
func readBody(body []byte, members []Member) ([]message, refusal) {
	var messages []message
	r := &reader{rest: body}
	for len(r.rest) > 0 {
		m, why := readMessage(r, members)
		if why != accepted {
			return nil, why
		}
		if r.failed {
			return nil, refusedMalformed
		}
		messages = append(messages, m)
	}
	return messages, accepted
}

// packBodies puts messages into as few bodies as their order allows.
func packBodies(messages []message) [][]byte {
	var bodies [][]byte
	var body []byte
	for _, m := range messages {
		if len(body) > 0 && len(body)+m.size() > bodyMax {
			bodies = append(bodies, body)
			body = nil
		}
		body = m.appendTo(body)
	}
	if len(body) > 0 {
		bodies = append(bodies, body)
	}
	return bodies
}
