package daemon

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/daemon/promises"
)

// openJournal opens the journal of a data directory, whatever became of it. It returns why the
// journal cannot hold all that this node has promised, or "". Then the node recovers by rule R15.
//
// A journal that is damaged is set aside, and the node recovers with a new one: a record that
// cannot be read may have been a vote, wherever it stands, so no damage is provably harmless. One
// that is whole is kept, also by a node that has forgotten: what it holds is true, only not all.
func (n *node) openJournal(d disk.Disk) (forgot string, err error) {
	forgot, err = promises.Forgotten(d)
	if err != nil {
		return "", fmt.Errorf("look at the data directory: %w", err)
	}
	if forgot != "" { // durable before a new journal could pass for that of a new node
		if err := promises.Forget(d, forgot); err != nil {
			return "", err
		}
	}
	opts := journal.Options{
		Owner: n.journalOwner(), Salt: rand.Uint64(), //nolint:gosec // no secret, see journal
	}
	n.journal, err = journal.Open(n.quota, opts)
	var damage *journal.DamageError
	if !errors.As(err, &damage) {
		return forgot, explainJournal(err)
	}
	forgot = "its journal was damaged"
	if err := promises.Forget(d, forgot); err != nil {
		return "", err
	}
	aside, err := promises.SetAside(n.opts.Data, time.Now().UTC().Format("20060102-150405.000"))
	if err != nil {
		return "", err
	}
	n.opts.Log.WithError(damage).WithField("aside", aside).Error(
		"the journal is damaged and was set aside; this node recovers what it can from the others")
	n.journal, err = journal.Open(n.quota, opts)
	return forgot, explainJournal(err)
}

// remember makes what the loop has recorded about the past durable, and then takes the marks away
// that said it meanwhile. Nothing has been signed yet.
func (n *node) remember(d disk.Disk) error {
	if err := n.journal.Flush(); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return promises.Recorded(d)
}

func explainJournal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrOwner):
		return advise(
			"use the genesis and the keys that the journal was made with, or another --home",
			"the journal is another cluster's or another member's: %w", err)
	default:
		return fmt.Errorf("open the journal: %w", err)
	}
}

// haltAdvice says what to do about a node that stopped voting for good.
func haltAdvice(why string) string {
	switch {
	case strings.HasPrefix(why, "AMNESIA"):
		return "give it its newest data directory back, if that exists; without it this cluster " +
			"has too few members to recover, and its data must go into a new one"
	default:
		return "keep all nodes' files and run byzd verdict: more members lie than the cluster " +
			"withstands"
	}
}
