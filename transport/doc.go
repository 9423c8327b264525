// Package transport carries authenticated, bounded, opaque frames between the members of one
// cluster. It implements PROTOCOL §4.18 on go-libp2p.
//
// It assumes a fixed list of members, each known by its network key; who is where comes from gossip
// through [Transport.Heard] and is never trusted: an address that leads to somebody else fails in
// the TLS handshake. It guarantees that a frame handed to [Handler.Receive] was sent by the member
// named with it, over a connection whose both ends have the same cluster, epoch and wire version,
// and that frames of one class arrive in order while a connection lasts. It does not guarantee that
// a frame arrives: a full queue, a lost connection and a testnet's [Conditions] drop it, each under
// a counter of its own. Whoever needs a frame to arrive sends it again.
//
// A transport owns its goroutines: two for each other member (one dials, one tells the handler of
// comings and goings), and for each connection one that exchanges hellos and then reads heartbeats,
// one that sends them, one that closes the link, one writer for each class and for control, and one
// reader for each stream the peer has opened. [Transport.Close] returns when all have ended.
//
// A minimal use:
//
//	t, err := transport.New(transport.Config{
//		Cluster: cluster, WireVersion: 1, Key: key, Peers: members,
//		Listen: "0.0.0.0:7946", Handler: handler,
//	})
//	t.Heard(peer, []string{"10.0.0.2:7946"}) // connects
//	t.Broadcast(transport.Votes, frame)
//
// It leaves out what frames mean, discovery, and retransmission. [Over] is the same transport over
// another [Carrier] than libp2p; package memory has one for tests. DESIGN.md tells why it is so.
package transport
