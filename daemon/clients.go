package daemon

import (
	"context"
	"net"
	"time"

	"byzd/daemon/api"
	"byzd/membership"
)

// clients is the client endpoint on its listener.
type clients struct {
	server   *api.Server
	listener net.Listener
	served   chan error // nil until it serves
}

// farewellTime is how long calls under way may take when the node stops.
const farewellTime = 2 * time.Second

// listenClients binds the client endpoint; it serves when the node is ready to answer.
func (n *node) listenClients() error {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", n.opts.Client)
	if err != nil {
		return advise("choose another --client address, or stop who uses it",
			"cannot listen for clients on %s: %w", n.opts.Client, err)
	}
	n.clients = &clients{
		listener: l,
		server: api.New(api.Config{
			Node: n.service, Cluster: n.cluster(), Self: n.self, ID: n.opts.NetworkKey.ID(),
			Genesis: n.opts.Genesis, Epochs: n.epochChain,
		}),
	}
	n.onClose(n.clients.close)
	return nil
}

func (c *clients) serve() {
	c.served = make(chan error, 1)
	go func() { c.served <- c.server.Serve(c.listener) }()
}

// close lets calls under way finish for a while, then ends them.
func (c *clients) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	c.server.Stop(ctx)
	if c.served == nil {
		return c.listener.Close()
	}
	return <-c.served
}

// apiMembers tells clients who is in the cluster, with gossip's advice on where.
func (n *node) apiMembers() []api.Member {
	views, members := n.discovery.view(), n.cluster().Members
	out := make([]api.Member, len(members))
	for i, m := range members {
		v := views[m.Node]
		out[i] = api.Member{
			Index: i, Name: m.Name, ID: m.Node, Client: v.Record.ClientAddr,
			Seen: v.State == membership.Alive,
		}
	}
	return out
}
