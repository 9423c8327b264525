package loop

import (
	"errors"
	"fmt"

	"byzd/crypto"
	"byzd/daemon/kv/merkle"
	"byzd/daemon/snapshot"
	"byzd/pbft"
	"byzd/pbft/message"
)

// transfer fetches a certified state in pieces from several replicas at once (PROTOCOL §4.9 with
// rule R13). Nobody is trusted: the certificate names the manifest, the manifest the trees, and
// each node of a tree its subtrees, so every piece is checked when it arrives. What the local state
// has already is not fetched. Verified pieces are staged on disk, so that a crash costs nothing.
type transfer struct {
	target   *message.CheckpointCertificate
	epoch    uint64          // of the target
	from     *message.Config // of whose members it is fetched
	repair   bool
	next     *message.CheckpointCertificate // a newer one, if nobody has the target any more
	stage    *snapshot.Stage
	parts    builders
	partial  trees // of a target that was given up
	mani     *message.Manifest
	sources  []source
	asks     map[message.StateRef]*ask
	turn     int
	pieceAt  int64              // when a piece was last taken in, or asking began
	patience int64              // between two sources for one question
	done     *snapshot.Snapshot // complete, and being saved
	bytes    int64
}

// builders and trees are by [message.StateTree].
type (
	builders [message.StateTrees]*merkle.Builder
	trees    [message.StateTrees]merkle.Tree
)

// fetchState begins a transfer, or remembers what to turn to later.
func (l *Loop) fetchState(e pbft.Transfer) {
	t := l.fetch
	if t == nil {
		l.startTransfer(&transfer{
			target: e.Target, repair: e.Repair, epoch: l.cfg.Cluster.Epoch, from: l.cfg.Cluster,
		})
		return
	}
	t.repair = t.repair || e.Repair
	if e.Target.Seq > t.target.Seq && t.from == l.cfg.Cluster {
		t.next = e.Target
	}
}

// startTransfer begins a transfer of which it is set what is fetched, and from whom.
func (l *Loop) startTransfer(t *transfer) {
	if t.sources == nil {
		t.sources = make([]source, len(t.from.Members))
	}
	t.asks = map[message.StateRef]*ask{}
	t.pieceAt, t.patience = l.now, hedgeAfter
	l.fetch = t
	stage, err := snapshot.OpenStage(l.cfg.Disk, t.target.Root, func(
		ref message.StateRef, data []byte,
	) bool {
		return l.accept(ref, data) == nil
	})
	if err == nil {
		t.stage = stage // without one a crash costs the pieces, and nothing else
	}
	l.pump()
}

// endTransfer forgets the transfer under way.
func (l *Loop) endTransfer() {
	if t := l.fetch; t != nil && t.stage != nil {
		_ = t.stage.Close() // nothing rests on it
	}
	l.fetch = nil
	_ = snapshot.RemoveStages(l.cfg.Disk, "") // else the next transfer removes them
}

// errLie is a piece that does not fit what was certified.
var errLie = errors.New("a piece that was not certified")

// accept verifies a piece and puts it in its place.
func (l *Loop) accept(ref message.StateRef, data []byte) error {
	t := l.fetch
	if ref.Tree == message.StateManifest {
		if t.mani != nil {
			return merkle.ErrNotWanted
		}
		m, err := message.DecodeManifest(data)
		if err != nil || !m.Proves(t.target) {
			return errLie
		}
		t.mani = m
		t.parts[message.StateStore] = merkle.NewBuilder(
			m.Store, l.exec.store.Tree(), t.partial[message.StateStore])
		t.parts[message.StateLedger] = merkle.NewBuilder(
			m.Ledger, l.exec.ledger, t.partial[message.StateLedger])
		return nil
	}
	b := t.parts[ref.Tree]
	path, err := merkle.DecodePath([]byte(ref.Path))
	if b == nil || err != nil {
		return merkle.ErrNotWanted
	}
	err = b.Add(path, data)
	if err != nil && !errors.Is(err, merkle.ErrNotWanted) {
		return errLie
	}
	return err
}

// takeState takes in an answer, also one that comes late. What is not wanted costs a look-up, and
// who gives a piece that was not certified is heard no more.
func (l *Loop) takeState(node crypto.NodeID, m *message.StatePart) {
	t := l.fetch
	if t == nil || t.done != nil || m.Want.Root != t.target.Root || t.from.Member(node) < 0 {
		l.drop(l.cfg.Cluster.Member(node), dropUnwanted)
		return
	}
	from := t.from.Member(node)
	s := &t.sources[from]
	if s.liar {
		l.drop(from, dropLie)
		return
	}
	if len(m.Data) == 0 {
		s.gone = l.now + goneFor
		l.withdraw(m.Want, from)
		l.pump()
		return
	}
	switch err := l.accept(m.Want, m.Data); {
	case err == nil:
		t.bytes += int64(len(m.Data))
		t.pieceAt, t.patience, s.slow = l.now, hedgeAfter, false
		if t.stage != nil && t.stage.Add(m.Want, m.Data) != nil {
			_ = t.stage.Close() // nothing rests on it
			t.stage = nil
		}
		l.forget(m.Want)
	case errors.Is(err, merkle.ErrNotWanted):
		l.forget(m.Want)
	default:
		s.liar = true
		l.drop(from, dropLie)
		l.withdraw(m.Want, from)
	}
	l.pump()
}

// pump asks for what is wanted, as far as sources have room, and finishes when nothing is.
func (l *Loop) pump() {
	t := l.fetch
	if t == nil || t.done != nil {
		return
	}
	if t.mani == nil {
		ref := message.StateRef{Root: t.target.Root}
		if t.asks[ref] == nil {
			l.ask(ref)
		}
		return
	}
	wanted := false
	for _, tree := range []message.StateTree{message.StateStore, message.StateLedger} {
		for l.nextSource(nil) >= 0 {
			paths := t.parts[tree].Want(1)
			if len(paths) == 0 {
				break
			}
			l.ask(message.StateRef{Root: t.target.Root, Tree: tree, Path: string(paths[0])})
		}
		_, pending := t.parts[tree].Progress()
		wanted = wanted || pending > 0
	}
	if !wanted {
		l.complete()
	}
}

// tickTransfer asks others when answers are slow, and turns to a newer state when nobody has this
// one.
func (l *Loop) tickTransfer() {
	t := l.fetch
	if t == nil {
		return
	}
	if !t.repair && l.replica.Executed().Seq >= t.target.Seq {
		l.endTransfer() // batches came after all
		return
	}
	if t.done != nil {
		l.saveFetched()
		return
	}
	l.askOthers()
	if t.next != nil && l.exhausted() {
		l.retarget(&transfer{target: t.next, epoch: t.epoch, from: t.from})
		return
	}
	l.pump()
}

// retarget turns to another state. Pieces that it shares with the old one are not fetched again.
func (l *Loop) retarget(to *transfer) {
	t := l.fetch
	for tree, b := range t.parts {
		if b != nil {
			to.partial[tree] = b.Partial()
		}
	}
	if to.repair = t.repair; to.from == t.from {
		for _, s := range t.sources {
			to.sources = append(to.sources, s.again())
		}
		to.turn = t.turn
	}
	l.endTransfer()
	l.startTransfer(to)
}

// complete puts the parts together and has them saved.
func (l *Loop) complete() {
	t := l.fetch
	s := &snapshot.Snapshot{Certificate: t.target, State: snapshot.State{Manifest: t.mani}}
	var whole bool
	if s.Store, whole = t.parts[message.StateStore].Done(); whole {
		s.Ledger, whole = t.parts[message.StateLedger].Done()
	}
	if !whole || !s.Whole() {
		panic(fmt.Sprintf("loop: the state after batch %d was fetched and is not whole",
			t.target.Seq))
	}
	t.done = s
	l.saveFetched()
}

// saveFetched has the fetched state saved, as soon as nothing else is.
func (l *Loop) saveFetched() {
	if l.saving != l.fetch.done {
		l.save(l.fetch.done)
	}
}

// install puts a fetched state in place, now that it is durable, and tells the replica.
func (l *Loop) install(s *snapshot.Snapshot) {
	t := l.fetch
	l.endTransfer()
	if !t.repair && l.replica.Executed().Seq >= s.Seq() {
		return
	}
	if t.epoch > l.cfg.Cluster.Epoch {
		l.land(t.epoch, s)
		return
	}
	clients, err := l.exec.install(&s.State)
	if err != nil {
		l.trouble = fmt.Errorf("installing a certified state: %w", err)
		return
	}
	l.archive.reset(s.Certificate.Ref())
	l.states.installed(s)
	l.last = &s.Manifest.Header
	l.guard.jump(s.Certificate.Ref())
	l.giveUp(clients)
	l.step(pbft.Installed{
		Checkpoint: s.Certificate, TimeMS: s.Manifest.Header.TimeMS,
		Kind: s.Manifest.Header.Kind, Clients: clients,
	})
}

// giveState answers a question for a piece of a state, within what each replica may have.
func (l *Loop) giveState(from int, m *message.FetchState) {
	data, err := l.states.piece(m.Want, l.now)
	switch {
	case err != nil:
		l.drop(from, dropNoSuchPart)
		return
	case data == nil:
		o := l.offer(0)
		switch {
		case o == nil:
		case l.headerEpoch(o) == l.cfg.Cluster.Epoch:
			l.say(pbft.Send{To: from, Msg: o})
		default:
			l.sendNode(l.cfg.Cluster.Members[from].Node, l.headerEpoch(o), o)
		}
		if m.Want.Root == (crypto.Digest{}) { // it asked which state there is, and not for a piece
			return
		}
	case !l.given.allow(from, len(data), l.now):
		l.drop(from, dropThrottled)
		return
	}
	l.say(pbft.Send{To: from, Msg: &message.StatePart{Want: m.Want, Data: data}})
}

// chunk returns a piece of a tree.
func chunk(tree merkle.Tree, path string) ([]byte, error) {
	p, err := merkle.DecodePath([]byte(path))
	if err != nil {
		return nil, err
	}
	return tree.Chunk(p, message.StatePartBytes)
}

// Drops of a transfer.
const (
	dropUnwanted   pbft.Drop = "state_part_unwanted"
	dropLie        pbft.Drop = "state_part_not_certified"
	dropNoSuchPart pbft.Drop = "fetch_state_unknown"
	dropThrottled  pbft.Drop = "fetch_state_throttled"
)

func (l *Loop) drop(from int, why pbft.Drop) { l.cfg.Watch(pbft.Dropped{From: from, Why: why}) }

// allowance is what each replica may fetch: so much at once, and so much more for each millisecond.
type allowance struct {
	spent []int64
	at    []int64
}

const (
	stateBurst = 32 << 20
	stateRate  = 32 << 10
)

func newAllowance(n int) allowance { return allowance{make([]int64, n), make([]int64, n)} }

func (a *allowance) allow(to, bytes int, now int64) bool {
	a.spent[to] = max(0, a.spent[to]-(now-a.at[to])*stateRate)
	a.at[to] = now
	if a.spent[to] > 0 && a.spent[to]+int64(bytes) > stateBurst {
		return false
	}
	a.spent[to] += int64(bytes)
	return true
}

// Fetching tells people how far the fetching of a state has come: what is fetched (0 if nothing
// is), and the bytes that were taken in.
func (l *Loop) Fetching() (seq uint64, bytes int64) {
	if l.fetch == nil {
		return 0, 0
	}
	return l.fetch.target.Seq, l.fetch.bytes
}
