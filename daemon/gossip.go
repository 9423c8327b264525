package daemon

import (
	"fmt"
	"time"

	"byzd/membership"
	"byzd/transport"
)

// discovery starts gossip and passes what it says on: addresses to the transport, and opinions on
// who is reachable, which are advice, to nobody else (DESIGN §5 point 9).
type discovery struct{ gossip *membership.Gossip }

// startDiscovery joins the gossip of the cluster.
func startDiscovery(
	o *Options, t transport.Transport, in *inbound, client string, cut membership.Conditions,
) (*discovery, error) {
	members := make([]membership.Member, len(o.Cluster.Members))
	for i, m := range o.Cluster.Members {
		members[i] = membership.Member{ID: m.Node, Name: m.Name}
	}
	up, err := membership.Advertised(o.Advertise, t.Addr())
	if err != nil {
		return nil, err
	}
	cfg := membership.Config{
		Cluster: o.Cluster.Cluster, Key: o.NetworkKey, Members: members,
		Bind: o.Gossip, Advertise: o.Advertise,
		TransportAddr: up, ClientAddr: client, Join: o.Join,
		Counter: uint64(time.Now().UnixNano()),
		Timing:  o.Timing,
		Log:     o.Log.WithField("room", "membership"), Conditions: cut,
		Events: func(e membership.Event) {
			if e.Record.Counter > 0 {
				t.Heard(e.Member.ID, []string{e.Record.TransportAddr})
			}
			in.reach.opinion(in.index[e.Member.ID], e.State == membership.Alive)
		},
	}
	g, err := membership.Start(cfg)
	if err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	return &discovery{g}, nil
}

// arm makes the gossip lie; nil makes it honest.
func (d *discovery) arm(lie *membership.FalseDead) {
	if lie == nil {
		d.gossip.SetLies(nil)
		return
	}
	d.gossip.SetLies(lie)
}
