package daemon

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"byzd/crypto"
	"byzd/membership"
	"byzd/pbft/message"
	"byzd/transport"
)

// discovery starts gossip and passes what it says on: addresses to the transport, and opinions on
// who is reachable, which are advice, to nobody else (DESIGN §5 point 9).
//
// Gossip goes by the members' numbers, so it begins anew when they change: it forgets what it
// believed, and keeps the addresses. Who is no member does not gossip.
type discovery struct {
	opts      *Options
	transport transport.Transport
	in        *inbound
	client    string
	cut       membership.Conditions

	casts sync.WaitGroup
	mu    sync.Mutex // held while gossip is replaced
	now   *membership.Gossip
	addr  string
	ended bool
	lie   *membership.FalseDead
}

// startDiscovery joins the gossip of the cluster.
func startDiscovery(
	o *Options, t transport.Transport, in *inbound, client string, cut membership.Conditions,
) (*discovery, error) {
	d := &discovery{opts: o, transport: t, in: in, client: client, cut: cut, addr: o.Gossip}
	return d, d.start(in.era.Load().cluster, o.Join)
}

// start joins the gossip of an epoch. The caller holds mu, or is alone.
func (d *discovery) start(cluster *message.Config, join []string) error {
	o := d.opts
	if cluster.Member(o.NetworkKey.ID()) < 0 {
		return nil
	}
	up, err := membership.Advertised(o.Advertise, d.transport.Addr())
	if err != nil {
		return err
	}
	g, err := membership.Start(membership.Config{
		Cluster: gossipDomain(cluster), Key: o.NetworkKey, Members: roster(cluster),
		Bind: d.addr, Advertise: o.Advertise,
		TransportAddr: up, ClientAddr: d.client, Join: join,
		Counter: uint64(time.Now().UnixNano()),
		Timing:  o.Timing,
		Log:     o.Log.WithField("room", "membership"), Conditions: d.cut,
		Events: func(e membership.Event) {
			if e.Record.Counter > 0 {
				d.transport.Heard(e.Member.ID, []string{e.Record.TransportAddr})
			}
			d.in.opinion(e.Member.ID, e.State == membership.Alive)
		},
	})
	if err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	d.now, d.addr = g, g.Addr()
	if d.lie != nil {
		g.SetLies(d.lie)
	}
	return nil
}

// recast begins anew with the members of another epoch, beside the loop.
func (d *discovery) recast(cluster *message.Config) {
	d.casts.Go(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.ended || d.in.era.Load().cluster.Epoch != cluster.Epoch {
			return
		}
		join := append([]string(nil), d.opts.Join...)
		if d.now != nil {
			for _, v := range d.now.View() {
				if v.Record.SwimAddr != "" {
					join = append(join, v.Record.SwimAddr)
				}
			}
			if err := d.now.Close(); err != nil {
				d.opts.Log.WithError(err).Warn("gossip did not end well")
			}
			d.now = nil
		}
		if err := d.start(cluster, join); err != nil {
			d.opts.Log.WithError(err).Error("no gossip: members are found by the addresses that are known")
		}
	})
}

// view is what gossip believes of each member; of nobody while there is no gossip.
func (d *discovery) view() map[crypto.NodeID]membership.MemberView {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := map[crypto.NodeID]membership.MemberView{}
	if d.now == nil {
		return list
	}
	for _, v := range d.now.View() {
		list[v.ID] = v
	}
	return list
}

func (d *discovery) counters() map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now == nil {
		return map[string]uint64{}
	}
	return d.now.Counters()
}

// address is where gossip listens, or will.
func (d *discovery) address() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.addr
}

// leave says goodbye.
func (d *discovery) leave(within time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now == nil {
		return nil
	}
	return d.now.Leave(within)
}

func (d *discovery) close() error {
	d.mu.Lock()
	d.ended = true
	now := d.now
	d.mu.Unlock()
	d.casts.Wait()
	if now == nil {
		return nil
	}
	return errors.Join(now.Close())
}

// arm makes the gossip lie; nil makes it honest.
func (d *discovery) arm(lie *membership.FalseDead) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lie = lie
	switch {
	case d.now == nil:
	case lie == nil:
		d.now.SetLies(nil)
	default:
		d.now.SetLies(lie)
	}
}
