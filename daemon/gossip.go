package daemon

import (
	"errors"
	"fmt"
	"slices"
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

	heardMu sync.Mutex
	heard   map[crypto.NodeID]membership.Record // the newest of each node, of whichever epoch
	names   map[crypto.NodeID]string
	news    chan struct{} // holds a token when heard has changed
	done    chan struct{}
}

// startDiscovery joins the gossip of the cluster.
func startDiscovery(
	o *Options, t transport.Transport, in *inbound, client string, cut membership.Conditions,
) (*discovery, error) {
	d := &discovery{opts: o, transport: t, in: in, client: client, cut: cut, addr: o.Gossip}
	d.heard, d.names = map[crypto.NodeID]membership.Record{}, map[crypto.NodeID]string{}
	d.news, d.done = make(chan struct{}, 1), make(chan struct{})
	d.casts.Go(d.keep)
	if err := d.start(in.era.Load().cluster, o.Join); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
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
				d.heardMu.Lock()
				d.heard[e.Member.ID] = e.Record
				d.names[e.Member.ID] = e.Member.Name
				d.heardMu.Unlock()
				select {
				case d.news <- struct{}{}:
				default:
				}
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
			d.opts.Log.WithError(err).Error("no gossip: members are found by known addresses")
		}
	})
}

// keepEvery is the least time between two writes of where the members listen.
const keepEvery = time.Second

// keep writes down where the members listen whenever that has changed.
func (d *discovery) keep() {
	for {
		select {
		case <-d.news:
		case <-d.done:
			return
		}
		d.save()
		select {
		case <-time.After(keepEvery):
		case <-d.done:
			return
		}
	}
}

func (d *discovery) save() {
	if d.opts.SavePeers == nil {
		return
	}
	d.heardMu.Lock()
	known := make([]KnownPeer, 0, len(d.heard))
	for id, r := range d.heard {
		if id != d.opts.NetworkKey.ID() {
			known = append(known, KnownPeer{id, d.names[id], r.TransportAddr, r.SwimAddr})
		}
	}
	d.heardMu.Unlock()
	slices.SortFunc(known, func(a, b KnownPeer) int { return slices.Compare(a.ID[:], b.ID[:]) })
	if err := d.opts.SavePeers(known); err != nil {
		d.opts.Log.WithError(err).Warn("where the members listen is not written down")
	}
}

// view is what gossip believes of each member; of nobody while there is no gossip.
func (d *discovery) view() map[crypto.NodeID]membership.MemberView {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := map[crypto.NodeID]membership.MemberView{}
	if d.now == nil {
		return list
	}
	d.heardMu.Lock()
	defer d.heardMu.Unlock()
	for _, v := range d.now.View() {
		if v.Record.Counter == 0 {
			v.Record = d.heard[v.ID] // from before this gossip began
		}
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

// address is where gossip listens; empty while this node takes no part in it.
func (d *discovery) address() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now == nil {
		return ""
	}
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
	close(d.done)
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
