package daemon

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"byzd/daemon/api"
	"byzd/daemon/journal"
	"byzd/daemon/loop"
	"byzd/daemon/operator"
	"byzd/pbft"
)

// Ready implements [operator.Node]: nil if this node takes part in agreement.
func (n *node) Ready() error { return n.service.Ready() }

// Status implements [operator.Node].
func (n *node) Status(ctx context.Context) (*operator.Status, error) {
	st := &operator.Status{
		Node: n.self(), Name: n.name(), Cluster: n.cluster().Cluster.String(),
		Testnet: n.cluster().Params.Testnet, PID: os.Getpid(), Epoch: n.cluster().Epoch,
		UptimeMS: time.Since(n.began).Milliseconds(),
		Evidence: n.evidence.list(), Drops: n.drops.snapshot(), Refusals: n.refusals.snapshot(),
		Gossip: n.discovery.counters(), Events: n.events.snapshot(),
		Traitors: []operator.Traitor{},
	}
	if err := n.owner.do(ctx, func(l *loop.Loop) { n.fill(st, l) }); err != nil {
		return nil, err
	}
	if err := n.Ready(); err != nil {
		st.Reason = err.Error()
	} else {
		st.Ready = true
	}
	n.fillPeers(st)
	return st, nil
}

// fill reads what belongs to the loop.
func (n *node) fill(st *operator.Status, l *loop.Loop) {
	r := l.Replica()
	s := r.State()
	st.View, st.Target, st.Primary, st.Active = s.View, s.Target, s.Primary, s.Active
	st.Recovering = s.Recovering
	st.Sequence, st.Stable, st.Tip = s.Executed, s.Stable, s.Tip
	st.Pending = operator.Pending{Count: s.Pending + l.Waiting(), OldestMS: s.OldestMS}
	st.Traitors = n.traitors.status()
	for i, v := range s.LastVotes {
		if i != n.self() {
			st.Peers = append(st.Peers, operator.Peer{
				Node: i, LastVote: operator.Vote{View: v.View, Sequence: v.Seq},
			})
		}
	}
}

// fillPeers adds what transport and gossip know: three layers, kept apart.
func (n *node) fillPeers(st *operator.Status) {
	views := n.discovery.view()
	states := n.transport.Peers()
	for k := range st.Peers {
		p := &st.Peers[k]
		members := n.cluster().Members
		if p.Node >= len(members) {
			continue // the members have just changed
		}
		m := members[p.Node]
		p.Name, p.Swim = m.Name, views[m.Node].State.String()
		p.Client = views[m.Node].Record.ClientAddr
		for i := range states {
			s := &states[i]
			if s.ID != m.Node {
				continue
			}
			p.Connected, p.Error, p.RTTMicros = s.Connected, s.LastError, s.RTT.Microseconds()
			if len(s.Addrs) > 0 {
				p.Address = s.Addrs[0]
			}
		}
	}
}

// Members implements [operator.Node].
func (n *node) Members() []operator.Member {
	states := n.transport.Peers()
	out := make([]operator.Member, 0, len(n.cluster().Members))
	views, self := n.discovery.view(), n.opts.NetworkKey.ID()
	for i, c := range n.cluster().Members {
		v := views[c.Node]
		m := operator.Member{
			Node: i, Name: c.Name, ID: c.Node.String(), Swim: v.State.String(),
			Self:   c.Node == self,
			Gossip: v.Record.SwimAddr, Transport: v.Record.TransportAddr,
			Client: v.Record.ClientAddr,
		}
		m.Connected = m.Self
		for k := range states {
			if states[k].ID == c.Node {
				m.Connected = states[k].Connected
			}
		}
		out = append(out, m)
	}
	return out
}

// Journal implements [operator.Node].
func (n *node) Journal(w io.Writer) error {
	return journal.WriteStream(w, func(fn func(uint64, journal.Record) error) error {
		return journal.Scan(n.quota, fn)
	})
}

// refresh looks, on the loop, whether this node takes part in agreement.
func (n *node) refresh(l *loop.Loop) {
	n.rekeyed(l, n.owner.synced)
	s := l.Replica().State()
	n.service.view.Store(s.View)
	reason := s.Reason
	if s.Halted != "" {
		reason += "; " + haltAdvice(s.Halted)
	}
	if connected := n.connected(); reason == "" && connected < n.cluster().Sizes.Quorum {
		reason = fmt.Sprintf("it reaches %d of %d members, itself included, and %d are needed",
			connected, len(n.cluster().Members), n.cluster().Sizes.Quorum)
	}
	if reason == "" {
		n.service.setReady(nil)
		return
	}
	n.service.setReady(fmt.Errorf("%w: %s", api.ErrNotReady, reason))
}

// connected counts the members that this node has a connection to, itself included.
func (n *node) connected() int {
	count, cluster := 1, n.cluster()
	for _, p := range n.transport.Peers() {
		if p.Connected && cluster.Member(p.ID) >= 0 {
			count++
		}
	}
	return count
}

// Metrics implements [operator.Node].
func (n *node) Metrics() []operator.Metric {
	var out []operator.Metric
	gauge := func(name, help string, value float64) {
		out = append(out, operator.Metric{Name: "byzd_" + name, Help: help, Value: value})
	}
	counts := func(name, help, label string, values map[string]uint64) {
		for _, key := range sortedKeys(values) {
			out = append(out, operator.Metric{
				Name: "byzd_" + name, Help: help, Counter: true,
				Labels: map[string]string{label: key}, Value: float64(values[key]),
			})
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), metricsTime)
	defer cancel()
	if st, err := n.Status(ctx); err == nil {
		gauge("view", "View of this node.", float64(st.View))
		gauge("sequence", "Sequence number of the last executed batch.", float64(st.Sequence))
		gauge("stable_sequence", "Sequence number of the stable checkpoint.", float64(st.Stable))
		gauge("pending_operations", "Operations that are known and not executed.",
			float64(st.Pending.Count))
		gauge("ready", "Whether this node takes part in agreement.", number(st.Ready))
		gauge("recovering", "Whether this node has forgotten votes and recovers.",
			number(st.Recovering))
		gauge("proofs", "Proofs of lies that this node holds.", float64(len(st.Evidence)))
		for _, t := range st.Traitors {
			counts("lies_total", "Lies that this node told (testnets).", "behaviour", t.Fired)
		}
	}
	for _, b := range n.bounds(ctx) {
		resource := map[string]string{"resource": b.Resource}
		out = append(out, operator.Metric{
			Name: "byzd_bound_used", Help: "What a resource takes.",
			Labels: resource, Value: float64(b.Used),
		}, operator.Metric{
			Name: "byzd_bound_limit", Help: "What it takes at most, whatever others send.",
			Labels: resource, Value: float64(b.Limit),
		})
	}
	frames := n.cluster().Limits().ByMessage()
	for _, name := range sortedKeys(frames) {
		out = append(out, operator.Metric{
			Name: "byzd_frame_limit_bytes", Help: "The largest legal frame, from n and the scheme.",
			Labels: map[string]string{"message": name}, Value: float64(frames[name]),
		})
	}
	gauge("connected_members", "Members that this node reaches, itself included.",
		float64(n.connected()))
	gauge("journal_bytes", "Bytes of the journal.", float64(n.journal.Size()))
	counts("drops_total", "Messages that the protocol had no use for.", "reason",
		n.drops.snapshot())
	counts("refusals_total", "Messages that were refused before the protocol.", "reason",
		n.refusals.snapshot())
	counts("events_total", "Steps of the protocol.", "event", n.events.snapshot())
	counts("transport_total", "What the transport counted.", "what", n.transport.Counters())
	counts("gossip_total", "What gossip refused.", "reason", n.discovery.counters())
	return out
}

// bounds lists what the protocol and its gateway hold in memory, and the largest legal frames.
func (n *node) bounds(ctx context.Context) []pbft.Bound {
	var list []pbft.Bound
	err := n.owner.do(ctx, func(l *loop.Loop) { list = l.Bounds() })
	if err != nil {
		return nil
	}
	return append(list, pbft.Bound{
		Resource: "inbound_messages", Used: int64(len(n.in.queue)), Limit: queued,
	})
}

// metricsTime bounds how long a scrape waits for the loop.
const metricsTime = time.Second

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
