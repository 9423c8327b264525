// Package membership tells who seems reachable, and where: advice, on which nothing may rest that
// agreement needs.
//
// It runs SWIM (Das, Gupta, Motivala 2002, with Lifeguard's additions), as hashicorp/memberlist
// implements it, among the members of one genesis. memberlist believes whatever it hears, so it
// never hears the network: a firewall stands between, which authenticates every packet and stream,
// decodes strictly, judges, and makes anew what memberlist gets to read. DESIGN.md tells how, and
// what a liar who holds a member's key can and cannot do.
//
// It assumes the genesis: the members' network keys, in an order that all share, and no addresses.
// Where a member is, only the member itself can say, in a [Record] that it signs anew at each
// start. Given that, and one contact address that answers once, it finds out the rest.
//
// It guarantees, whatever others send:
//
//   - a member's record is the newest that this member has signed, and nobody becomes a member who
//     does not stand in the genesis;
//   - a member that answers our own probes is not held for dead because others say so, and one that
//     does not is, although others say otherwise;
//   - memory, signature checks and lines of log have bounds that follow from n, and every refusal
//     has a counter ([Gossip.Counters]).
//
// It does not guarantee that an opinion is right: a member is [Suspect] and then [Dead] when it has
// not answered for a while, and a timeout too short for the network accuses the living. So an
// opinion may order redials, colour a page, and shorten a timer if the transport has lost the peer
// too; it must not change who is a member, n, f, a quorum or the primary.
//
// A [Gossip] owns its goroutines and is safe for concurrent use. [Config.Events] is called from one
// of them and must be cheap; [Gossip.View] asks nobody and may be called at any rate. A minimal
// use:
//
//	g, err := membership.Start(membership.Config{
//		Cluster: cluster, Key: key, Members: members, Bind: "0.0.0.0:7946",
//		TransportAddr: "10.0.0.1:7947", Join: []string{"10.0.0.2:7946"},
//		Counter: uint64(time.Now().UnixNano()),
//		Events: func(e membership.Event) { redial(e.Member.ID, e.Record.TransportAddr) },
//	})
//	defer g.Close() // Leave before says goodbye; without it the others see a crash.
//
// It leaves out the connections that agreement uses (package transport has its own heartbeats), and
// keeps nothing on disk: a node that starts again learns everything anew.
package membership
