package loop

import (
	"fmt"

	"byzd/crypto"
	"byzd/daemon/journal"
	"byzd/daemon/snapshot"
	"byzd/pbft"
	"byzd/pbft/message"
)

// Open reads the newest snapshot, replays the journal above it, and returns the loop that continues
// from there.
func Open(cfg Config) (*Loop, error) {
	l := &Loop{
		cfg: cfg, exec: newExecutor(cfg.Sealer, cfg.Store), states: newStates(),
		keep: cfg.Keep.withDefaults(), node: cfg.Node, strangers: newAllowance(1),
		signers:   append([]crypto.Signer{cfg.Sealer.Signer}, cfg.Signers...),
		outsiders: map[crypto.NodeID]*outsider{},
	}
	if cfg.Self >= 0 {
		l.node = cfg.Cluster.Members[cfg.Self].Node
	}
	if cfg.Save == nil {
		l.cfg.Save = l.saveNow
	}
	l.archive = newArchive(cfg.Journal, cfg.Cluster.Base.Seq)
	if err := l.replay(); err != nil {
		return nil, err
	}
	if err := l.epochs.follow(cfg.Cluster, l.fold.Ends); err != nil {
		return nil, err
	}
	if now := l.epochs.last().Epoch; now != l.fold.Epoch {
		return nil, fmt.Errorf("the journal is of epoch %d, and leads from the genesis to epoch %d",
			l.fold.Epoch, now)
	}
	if err := l.epochs.learn(cfg.Ends); err != nil {
		return nil, err
	}
	st := l.fold.Result()
	if err := l.load(&st); err != nil {
		return nil, err
	}
	if err := l.execAgain(&st); err != nil {
		return nil, err
	}
	st.Salt = cfg.Salt
	if cfg.Forgot != "" {
		st.Forgot, st.Why = true, cfg.Forgot
	}
	l.proofs = st.Proofs
	l.guard = NewGuard(l.cfg.Sealer, st)
	l.guard.resume(st.Executed, l.archive.digest)
	l.gateway = newGateway(noSession, l.fold.Reserved)
	if l.cfg.Self >= 0 {
		l.gateway.session = l.cfg.Cluster.Members[l.cfg.Self].Session
	}
	l.gateway.forgot = st.Forgot
	if cfg.Forgot != "" && !l.fold.Forgot {
		l.record(&message.Record{
			Type: message.RecordAmnesia, Epoch: l.fold.Epoch, Amnesia: &message.Amnesia{},
		})
	}
	l.replica = pbft.New(l.cfg.Cluster, l.cfg.Self, st)
	l.states.certify(l.replica.Stable())
	return l, nil
}

// replay folds the journal's records.
func (l *Loop) replay() error {
	return l.cfg.Journal.Replay(func(lsn uint64, raw journal.Record) error {
		rec, err := message.DecodeRecord(message.RecordType(raw.Type), raw.Version, raw.Body)
		if err != nil {
			return fmt.Errorf("journal record %d: %w", lsn, err)
		}
		l.fold.Add(rec)
		l.keepForEver(rec)
		l.archive.note(rec, lsn)
		l.staged, l.synced = lsn, lsn
		return nil
	})
}

// load puts the newest snapshot in place, or the state that the epoch starts from.
func (l *Loop) load(st *pbft.Restored) error {
	snap, damaged, err := snapshot.Latest(l.cfg.Disk, func(epoch uint64) *message.Config {
		if epoch > l.fold.Epoch {
			return nil // of a leap that was not finished
		}
		return l.epochs.at(epoch)
	})
	if err != nil {
		return err
	}
	l.damaged = damaged
	if snap == nil {
		first := l.epochs.at(0)
		l.take(first)
		st.Executed, st.Clients = first.Base, pbft.NewClientTable(first)
		return nil
	}
	l.take(l.epochs.at(snap.Manifest.Header.Epoch))
	if st.Clients, err = l.exec.install(&snap.State); err != nil {
		return fmt.Errorf("snapshot %d: %w", snap.Seq(), err)
	}
	h := snap.Manifest.Header
	st.Executed, st.Time, st.Kind, l.last = snap.Certificate.Ref(), h.TimeMS, h.Kind, &h
	if h.Epoch == l.fold.Epoch && (st.Stable == nil || st.Stable.Seq < snap.Seq()) {
		st.Stable = snap.Certificate
	}
	l.states.installed(snap)
	return nil
}

// Damaged says which snapshots could not be used when the loop was opened, and why.
func (l *Loop) Damaged() []error { return l.damaged }

// saveNow writes a snapshot at once.
func (l *Loop) saveNow(s *snapshot.Snapshot) {
	err := snapshot.Write(l.cfg.Disk, s)
	if err == nil {
		err = snapshot.Prune(l.cfg.Disk, 2)
	}
	l.Saved(s, err)
}
