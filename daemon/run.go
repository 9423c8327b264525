package daemon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"byzd/crypto"
	"byzd/daemon/api"
	"byzd/daemon/archive"
	"byzd/daemon/conditions"
	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/daemon/kv"
	"byzd/daemon/loop"
	"byzd/daemon/operator"
	"byzd/membership"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
	"byzd/transport"
)

// node is a running node.
type node struct {
	opts  Options
	began time.Time

	// Of the owner of the loop: whom a change that was announced names, and who the members were in
	// the epoch before.
	learners []message.Member
	former   []*message.Config
	newest   *message.Config // the epoch that is proved to have begun, if this node is behind
	spare    []crypto.Signer // keys of this node's beside the first
	rekeying rekeying

	quota   *disk.Quota
	journal *journal.Journal
	archive *archive.Archive // nil if there is none
	// archiveLost belongs to the goroutine that syncs the journal.
	archiveLost bool
	loop        *loop.Loop
	saver       *saver
	in          *inbound
	owner       *owner
	service     *service
	transport   transport.Transport
	discovery   *discovery
	conditions  conditions.Table
	evidence    *evidence
	traitors    *traitors
	homes       homes
	drops       *tally
	events      *tally
	refusals    *tally
	operator    *operator.Server
	clients     *clients
	out         links
	closing     chan struct{}
	again       atomic.Bool    // it was asked to begin anew
	end         func()         // ends run
	closers     []func() error // in the order of their making
}

// leaveTime bounds how long a node says goodbye.
const leaveTime = time.Second

// Run runs a node until the context ends, or until it cannot go on; the error says why. All that it
// started has ended when it returns.
func Run(ctx context.Context, o Options) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	cluster := *o.Cluster
	cluster.Scheme = remember(cluster.Scheme)
	o.Cluster = &cluster
	n := &node{
		opts: o, began: time.Now(), closing: make(chan struct{}), end: end,
		drops: newTally(), events: newTally(), refusals: newTally(),
	}
	err := n.start()
	if err == nil {
		err = n.run(ctx)
	}
	for _, stop := range slices.Backward(n.closers) {
		err = errors.Join(err, stop())
	}
	if err == nil && n.again.Load() {
		err = ErrAgain
	}
	return err
}

// onClose remembers what has to be undone.
func (n *node) onClose(stop func() error) { n.closers = append(n.closers, stop) }

// start makes everything listen, from the inside to the outside: what is asked must be able to
// answer.
func (n *node) start() error {
	self, signer, err := n.opts.identify()
	if err != nil {
		return err
	}
	sealer := message.Sealer{Config: n.opts.Cluster, Self: self, Signer: signer}
	if n.opts.NextSeed != nil {
		next, err := n.opts.Cluster.Scheme.NewSigner(*n.opts.NextSeed)
		if err != nil {
			return fmt.Errorf("the next signing key: %w", err)
		}
		n.spare = append(n.spare, next)
		public := next.Public()
		n.rekeying.next = &public
	}
	for _, step := range []func() error{
		n.lock,
		func() error { return n.open(sealer) },
		n.arm, n.connect, n.listenClients, n.discover, n.serve,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) lock() error {
	unlock, err := disk.Lock(n.opts.Home)
	if errors.Is(err, disk.ErrLocked) {
		return advise("stop that process, or use another --home", "the home is in use: %w", err)
	}
	if err != nil {
		return err
	}
	n.onClose(unlock)
	return nil
}

// open replays the journal.
func (n *node) open(sealer message.Sealer) error {
	d, err := disk.OS(n.opts.Data)
	if err != nil {
		return err
	}
	n.quota, err = disk.WithQuota(d, n.opts.DiskQuota)
	if err != nil {
		return err
	}
	forgot, err := n.openJournal(d)
	if err != nil {
		return err
	}
	n.onClose(n.journal.Close)
	if r := n.journal.Report(); r.TornBytes > 0 {
		n.opts.Log.WithField("bytes", r.TornBytes).Info("cut off a torn tail of the journal")
	}
	n.evidence, err = newEvidence(n.opts.Proofs, n.opts.Log)
	if err != nil {
		return err
	}
	n.onClose(n.evidence.close)
	if err := n.openArchive(); err != nil {
		return err
	}
	n.service = newService()
	n.service.members = n.apiMembers
	n.saver = newSaver(n.quota)
	n.onClose(n.saver.close)
	n.onClose(n.rekeying.close)
	cfg := loop.Config{
		Cluster: n.opts.Cluster, Self: sealer.Self, Node: n.opts.NetworkKey.ID(), Sealer: sealer,
		Signers: n.spare, Ends: n.opts.Ends, Proved: n.proved,
		Announced: n.announced, Reconfigured: n.reconfigured,
		Journal: n.journal, Disk: n.quota,
		Store: kv.New(), Links: &n.out, Applied: n.service.applied, Watch: n.watch,
		Save: n.saver.save, Keep: n.opts.Keep, Forgot: forgot,
		Salt: rand.Uint64(), //nolint:gosec // it must differ, and may be guessed
	}
	if n.archive != nil {
		cfg.Archive = n.archive
	}
	n.loop, err = loop.Open(cfg)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	n.newest = n.loop.Newest()
	if err := n.remember(d); err != nil {
		return err
	}
	if s := n.loop.Replica().State(); s.Recovering {
		n.opts.Log.Warn("this node votes no more until it has recovered: " + s.Reason)
	}
	for _, err := range n.loop.Damaged() {
		n.opts.Log.WithError(err).Warn("a snapshot is damaged and was not used")
	}
	for _, e := range n.loop.Evidence() {
		n.evidence.add(n.found(e))
	}
	n.former = former(n.loop, n.loop.Cluster().Epoch)
	n.in = newInbound(newEra(n.loop.Cluster(), n.loop.Self()), n.refusals, n.closing)
	n.owner = newOwner(n.loop, n.journal, n.in, n.diskFull)
	n.service.owner, n.owner.onTick = n.owner, n.refresh
	n.owner.saved, n.owner.onSaved, n.owner.onCut = n.saver.saved, n.snapshotSaved, n.notCut
	n.owner.archived = n.flushArchive
	return nil
}

// journalOwner names whose promises the journal holds: those of one member of one cluster. Another
// member's journal would make this node forget its own votes.
func (n *node) journalOwner() crypto.Digest {
	id := n.opts.NetworkKey.ID()
	return crypto.Hash("byzd/journal/1", n.opts.Cluster.Cluster[:], id[:])
}

// connect starts the transport.
func (n *node) connect() error {
	cfg := transport.Config{
		// Nodes of different epochs talk: who is behind is told so.
		Cluster: n.cluster().Cluster, WireVersion: message.Version,
		Key: n.opts.NetworkKey, Peers: n.peers(), Listen: n.opts.Listen, Handler: n.in,
		Limits: limits(n.largest().Limits()), MaxPeers: len(n.largest().Members),
		Log: n.opts.Log.WithField("room", "transport"),
	}
	if n.cluster().Params.Testnet {
		cfg.Conditions = n.weather()
	}
	t, err := transport.New(cfg)
	if err != nil {
		return advise("choose another --listen address, or stop who uses it",
			"cannot listen for members on %s: %w", n.opts.Listen, err)
	}
	n.transport = t
	n.out = links{transport: t, members: n.cluster().Members, self: n.opts.NetworkKey.ID()}
	n.onClose(t.Close)
	n.enroll()
	return nil
}

// largest is a configuration with as many members as there may ever be, and the largest messages:
// what is bounded by them must hold for later epochs too.
func (n *node) largest() *message.Config {
	c := *n.cluster()
	if len(c.Admins.Keys) > 0 {
		c.Members = make([]message.Member, 2*quorum.MaxReplicas)[:quorum.MaxReplicas]
		c.Params = c.Params.Largest()
	}
	return &c
}

func (n *node) weather() weather {
	return weather{table: &n.conditions, self: n.opts.NetworkKey.ID()}
}

// discover joins the gossip.
func (n *node) discover() error {
	client, err := membership.Advertised(n.opts.Advertise, n.clients.listener.Addr().String())
	if err != nil {
		return err
	}
	var cut membership.Conditions
	if n.cluster().Params.Testnet {
		cut = n.weather()
	}
	n.discovery, err = startDiscovery(&n.opts, n.transport, n.in, client, cut)
	if err != nil {
		return advise("choose another --gossip address, or stop who uses it", "%w", err)
	}
	n.onClose(n.discovery.close)
	if lies := n.traitors.now.Load(); lies != nil {
		n.traitors.whisper(lies)
	}
	return nil
}

// serve opens the endpoints of clients and operator and tells where everything is.
func (n *node) serve() error {
	var err error
	n.operator, err = operator.Start(n.opts.Operator, n, n.opts.Log.WithField("room", "operator"))
	if err != nil {
		return advise("choose another --operator address, or stop who uses it", "%w", err)
	}
	n.onClose(n.operator.Close)
	where := Addresses{
		Listen: n.transport.Addr(), Gossip: n.discovery.address(),
		Client: n.clients.listener.Addr().String(), Operator: n.operator.URL(),
	}
	n.clients.serve()
	n.opts.Log.WithFields(map[string]any{
		"node": n.self(), "member": n.name(),
		"cluster": n.cluster().Cluster.Short(), "listen": where.Listen, "gossip": where.Gossip,
		"client": where.Client, "operator": where.Operator,
	}).Info("listening")
	if n.opts.Started != nil {
		return n.opts.Started(where)
	}
	return nil
}

// run drives the loop until the context ends, then says goodbye.
func (n *node) run(ctx context.Context) error {
	err := n.owner.run(ctx)
	close(n.closing)
	n.service.stop()
	if err == nil {
		if err := n.discovery.leave(leaveTime); err != nil {
			n.opts.Log.WithError(err).Debug("goodbye was not said in time")
		}
	}
	return err
}

// watch takes what the replica only informs of.
func (n *node) watch(e pbft.Effect) {
	switch e := e.(type) {
	case pbft.Dropped:
		n.drops.add(string(e.Why))
	case pbft.Observed:
		n.observed(e)
	case pbft.Accuse:
		found := n.found(e.Evidence)
		n.opts.Log.WithFields(map[string]any{
			"kind": found.Kind, "culprit": found.in.Members[found.Culprit].Name,
		}).Warn("a lie is proved")
		n.evidence.add(found)
	case pbft.Halt:
		n.opts.Log.WithField("hint", haltAdvice(e.Why)).Error("this node votes no more: " + e.Why)
	}
}

// observed counts the steps of the protocol, and tells of the rare ones.
func (n *node) observed(e pbft.Observed) {
	n.events.add(string(e.Event))
	log := n.opts.Log.WithField("sequence", e.Batch.Seq)
	switch e.Event {
	case pbft.EventDiverged:
		log.Error("DIVERGED: the state of this node is not the certified one (" + e.Note +
			"); it votes no more until it is repaired")
	case pbft.EventTransfer:
		log.Info("fetching a certified state from the other members")
	case pbft.EventInstalled:
		log.Info("a certified state is in place")
	case pbft.EventForgot:
		log.Warn("this node has forgotten what it said and votes no more until it has recovered: " +
			e.Note)
	case pbft.EventRecovered:
		log.Info("recovered: this node votes again " + e.Note)
	default:
	}
}

// diskFull tells that the disk has become full, or has room again.
func (n *node) diskFull(err error) {
	n.in.deaf.Store(err != nil)
	if err != nil {
		n.opts.Log.WithError(err).Error("the disk is full: this node is silent until there is room")
		n.service.setReady(fmt.Errorf("%w: the disk is full: %w", api.ErrNotReady, err))
		return
	}
	n.opts.Log.Info("the disk has room again")
}

// snapshotSaved tells how the writing of a snapshot ended.
func (n *node) snapshotSaved(s saved) {
	log := n.opts.Log.WithFields(map[string]any{
		"sequence": s.snapshot.Seq(), "bytes": s.snapshot.Bytes(),
	})
	if s.err != nil {
		log.WithError(s.err).Warn("a snapshot could not be written; it is tried again")
		return
	}
	log.Debug("wrote a snapshot")
}

// notCut tells that the journal stays longer than it need be.
func (n *node) notCut(err error) {
	n.opts.Log.WithError(err).Warn("the old part of the journal could not be removed")
}
