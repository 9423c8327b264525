package linear

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"byzd/testnet/judge"
	"byzd/testnet/load"
)

// FileName is where a testnet's home keeps the history of the clients, if somebody recorded one.
const FileName = "history.jsonl"

// reasonsMost bounds the objects that a verdict names: one broken store breaks many.
const reasonsMost = 8

// CheckFile checks the history in a testnet's home. found is false if there is none.
func CheckFile(home string, limit time.Duration) (r Report, found bool, err error) {
	f, err := os.Open(filepath.Join(filepath.Clean(home), FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return Report{}, false, nil
	}
	if err != nil {
		return Report{}, true, fmt.Errorf("read the clients' history: %w", err)
	}
	defer func() { _ = f.Close() }()
	operations, err := load.ReadHistory(f)
	if err != nil {
		return Report{}, true, err
	}
	return Check(operations, limit), true, nil
}

// Tell says in a verdict what a check found.
func (r *Report) Tell(v *judge.Verdict) {
	if r.State == Linearizable && r.Operations > 0 {
		v.TellHistory(judge.Held, fmt.Sprintf(
			"%d answered operations on %d objects, and %d without an answer",
			r.Operations, r.Objects, r.Open))
		return
	}
	state := judge.Unknown
	if r.State == Violated {
		state = judge.Broken
	}
	var reasons []string
	for _, p := range r.Problems {
		if p.State == r.State {
			reasons = append(reasons, p.Object+": "+p.Text)
		}
	}
	if more := len(reasons) - reasonsMost; more > 0 {
		reasons = append(reasons[:reasonsMost], fmt.Sprintf("and %d more objects", more))
	}
	if r.Operations == 0 {
		reasons = append(reasons, "no operation was answered")
	}
	v.TellHistory(state, reasons...)
}
