package operator

// Status is where a node stands, as /status gives it. Nodes are numbers: places in the genesis.
type Status struct {
	Node     int    `json:"node"`
	Name     string `json:"name"`
	Cluster  string `json:"cluster"`
	Testnet  bool   `json:"testnet"`
	PID      int    `json:"pid"`
	UptimeMS int64  `json:"uptime_ms"`

	Epoch   uint64 `json:"epoch"`
	View    uint64 `json:"view"`
	Target  uint64 `json:"target"` // the view it is bound to; higher than view in a view change
	Primary int    `json:"primary"`
	Active  bool   `json:"active"` // it takes part in its view
	// Recovering says that it has forgotten what it said, and votes no more until it has recovered.
	Recovering bool   `json:"recovering"`
	Sequence   uint64 `json:"sequence"` // the last executed batch
	Stable     uint64 `json:"stable"`
	Tip        uint64 `json:"tip"`
	Ready      bool   `json:"ready"`
	Reason     string `json:"reason"` // why it is not ready

	Pending  Pending           `json:"pending"`
	Peers    []Peer            `json:"peers"`
	Traitors []Traitor         `json:"traitors"`
	Evidence []Evidence        `json:"evidence"`
	Drops    map[string]uint64 `json:"drops"`    // by the protocol
	Refusals map[string]uint64 `json:"refusals"` // before the protocol
	Gossip   map[string]uint64 `json:"gossip"`   // by gossip
	Events   map[string]uint64 `json:"events"`
}

// Pending is work that this node knows of and that is not executed yet.
type Pending struct {
	Count    int   `json:"count"`
	OldestMS int64 `json:"oldest_ms"` // since the oldest of it came to this node
}

// Peer is another member as the node sees it: its own connection, gossip's opinion, and the
// protocol's last word are three separate things.
type Peer struct {
	Node      int    `json:"node"`
	Name      string `json:"name"`
	Connected bool   `json:"connected"`
	Swim      string `json:"swim"`
	LastVote  Vote   `json:"last_vote"`
	Address   string `json:"address"`
	Client    string `json:"client"`
	RTTMicros int64  `json:"rtt_us"`
	Error     string `json:"error,omitempty"` // why the last connection ended
}

// Vote is where a peer voted last.
type Vote struct {
	View     uint64 `json:"view"`
	Sequence uint64 `json:"sequence"`
}

// Traitor is a behaviour of this node.
type Traitor struct {
	Spec  string            `json:"spec"`
	State string            `json:"state"`           // "armed" until it has fired
	Waits string            `json:"waits,omitempty"` // what has to happen before it can
	Fired map[string]uint64 `json:"fired"`           // lies told, by behaviour
}

// Evidence is a proof that this node holds.
type Evidence struct {
	Kind    string `json:"kind"`
	Culprit int    `json:"culprit"`         // a member's number in its epoch
	Epoch   uint64 `json:"epoch,omitempty"` // that the lie was told in
	File    string `json:"file"`
}

// Member is one member of the cluster, as /members gives it.
type Member struct {
	Node      int    `json:"node"`
	Name      string `json:"name"`
	ID        string `json:"id"`
	Swim      string `json:"swim"`
	Connected bool   `json:"connected"`
	Gossip    string `json:"gossip"`
	Transport string `json:"transport"`
	Client    string `json:"client"`
	Self      bool   `json:"self"`
}
