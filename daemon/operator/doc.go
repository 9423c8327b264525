// Package operator is the node's HTTP endpoint for the person who runs it: whether it lives and is
// ready, where it stands, what it counted, what it recorded. It listens on loopback. On a node
// that is not a testnet's it only reads; on a testnet it may also make a traitor of the node and
// cut its links, which is what testnets are for.
//
//	GET /livez              200 while the process runs
//	GET /readyz             200, or 503 and the reason
//	GET /status             where the node stands (DESIGN §9)
//	GET /members            who is in the cluster, and where gossip says they are
//	GET /metrics            Prometheus
//	GET /journal            every record of the journal, for the judge
//	PUT /testnet/traitors   {"specs": ["mute", …]}: from now on the node lies like this
//	PUT /testnet/conditions {"cut": [1, 3]}: nothing from this node reaches these any more;
//	    with "weather": [{"to": 2, "loss": 0.1, "duplicate": 0.1, "delay_ms": 9, "jitter_ms": 5}]
//	    the way to a node is bad. What is not named is good
//	PUT /testnet/disk       {"quota": 1048576}: the journal may take that many bytes; 0: any
//
// Requests whose Host is not a loopback name are refused, so that no web page can reach the
// endpoint through a name of its own.
package operator
