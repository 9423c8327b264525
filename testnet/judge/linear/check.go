package linear

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"byzd/testnet/load"
)

// State is what a check came to.
type State string

// The states.
const (
	Linearizable State = "linearizable"
	Violated     State = "violated"
	Undecided    State = "undecided"
)

// Problem is an object whose history is not linearizable, or could not be decided.
type Problem struct {
	Workload string `json:"workload"`
	Object   string `json:"object"`
	State    State  `json:"state"`
	Text     string `json:"text"`
	history  []porcupine.Operation
}

// Report is what was found of one workload, or of all together.
type Report struct {
	State      State     `json:"state"`
	Operations int       `json:"operations"` // answered
	Open       int       `json:"open"`       // without an answer
	Objects    int       `json:"objects"`
	Problems   []Problem `json:"problems"`
	Millis     int64     `json:"ms"`
}

// Check checks a history, of which limit bounds the time of all objects together.
func Check(operations []load.Operation, limit time.Duration) Report {
	began := time.Now()
	r := Report{State: Linearizable, Problems: []Problem{}}
	type object struct{ workload, name string }
	parts := map[object][]load.Operation{}
	for i := range operations {
		op := &operations[i]
		if op.Answer != nil {
			r.Operations++
		} else {
			r.Open++
		}
		at := object{op.Workload, op.Object}
		parts[at] = append(parts[at], *op)
	}
	r.Objects = len(parts)
	keys := slices.SortedFunc(maps.Keys(parts), func(a, b object) int {
		return cmp.Or(cmp.Compare(a.workload, b.workload), cmp.Compare(a.name, b.name))
	})
	for _, at := range keys {
		p := checkObject(parts[at], limit-time.Since(began))
		if p == nil {
			continue
		}
		p.Workload, p.Object = at.workload, at.name
		r.Problems = append(r.Problems, *p)
		if r.State != Violated {
			r.State = p.State
		}
	}
	r.Millis = time.Since(began).Milliseconds()
	return r
}

// checkObject returns nil if the history of one object is linearizable.
func checkObject(operations []load.Operation, left time.Duration) *Problem {
	model, found := models()[operations[0].Workload]
	if !found {
		return &Problem{State: Undecided, Text: "nobody knows how such an object behaves"}
	}
	if left <= 0 {
		return &Problem{State: Undecided, Text: "the time was up before it was looked at"}
	}
	history := toPorcupine(operations)
	switch porcupine.CheckOperationsTimeout(model, history, left) {
	case porcupine.Ok:
		return nil
	case porcupine.Illegal:
		return &Problem{State: Violated, Text: explain(model, operations), history: history}
	default:
		return &Problem{
			State: Undecided, history: history,
			Text: fmt.Sprintf("no decision within %v about %d operations", left.Round(time.Second),
				len(operations)),
		}
	}
}

// toPorcupine leaves out reads without an answer, which say nothing, and lets changes without one
// last for ever. Of adds more is known, see window.
func toPorcupine(operations []load.Operation) []porcupine.Operation {
	var list []porcupine.Operation
	for i := range operations {
		op := &operations[i]
		from, to := op.Called, op.Returned
		if op.Answer == nil {
			to = math.MaxInt64
		}
		if op.Action == load.Add {
			var happened bool
			if from, to, happened = window(op, operations); !happened {
				continue
			}
		} else if op.Answer == nil && !op.Action.Changes() {
			continue
		}
		list = append(list, porcupine.Operation{
			ClientId: op.Client, Input: op, Output: op.Answer, Call: from, Return: to,
		})
	}
	return list
}

// window is when an add can have happened: elements do not vanish, so it comes after each list that
// does not show it, and before each that does. An add without an answer that no list shows might as
// well have happened after all of them, or never. What can be explained is the same with and
// without this; but without it some tens of adds without an answer in one set, as the pause of many
// nodes leaves them, are more than can be decided.
func window(op *load.Operation, operations []load.Operation) (from, to int64, happened bool) {
	from, to = op.Called, op.Returned
	happened = op.Answer != nil
	if !happened {
		to = math.MaxInt64
	}
	whole := to
	for i := range operations {
		seen := &operations[i]
		if seen.Action != load.List || seen.Answer == nil {
			continue
		}
		if slices.Contains(seen.Answer.Elements, op.From) {
			to, happened = min(to, seen.Returned), true
		} else {
			from = max(from, seen.Called)
		}
	}
	if from > to { // it cannot have happened at all: that is for the search to say
		from, to = op.Called, whole
	}
	return from, to, happened
}

// explain finds the shortest beginning of a history that is not linearizable: its last answer is
// the one that cannot be. Answers after it are taken away, so that what follows does not count.
func explain(model porcupine.Model, operations []load.Operation) string {
	ends := make([]int64, 0, len(operations))
	for i := range operations {
		if operations[i].Answer != nil {
			ends = append(ends, operations[i].Returned)
		}
	}
	slices.Sort(ends)
	at, _ := slices.BinarySearchFunc(ends, false, func(end int64, _ bool) int {
		cut := before(operations, end)
		if porcupine.CheckOperationsTimeout(model, toPorcupine(cut), explainTime) ==
			porcupine.Illegal {
			return 0
		}
		return -1
	})
	if at >= len(ends) {
		return "no order of its operations explains the answers"
	}
	for i := range operations {
		if op := &operations[i]; op.Answer != nil && op.Returned == ends[at] {
			return fmt.Sprintf("at %.3f s client %d was told %s, which no order of the operations "+
				"before explains", float64(ends[at])/1e9, op.Client, describe(op, op.Answer))
		}
	}
	return ""
}

// explainTime bounds one step of the search for an explanation.
const explainTime = 2 * time.Second

// before is what was known at a time.
func before(operations []load.Operation, end int64) []load.Operation {
	var list []load.Operation
	for _, op := range operations {
		if op.Called > end {
			continue
		}
		if op.Returned > end {
			op.Answer, op.Returned = nil, 0
		}
		list = append(list, op)
	}
	return list
}

// Draw writes a picture of each problem, an HTML file, into a directory and returns their paths.
func (r *Report) Draw(dir string) ([]string, error) {
	var paths []string
	for i := range r.Problems {
		p := &r.Problems[i]
		if len(p.history) == 0 || len(paths) == picturesMost {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return paths, fmt.Errorf("draw the histories: %w", err)
		}
		model := models()[p.Workload]
		_, info := porcupine.CheckOperationsVerbose(model, p.history, explainTime)
		name := strings.Trim(strings.ReplaceAll(p.Object, "/", "-"), "-") + ".html"
		path := filepath.Join(dir, name)
		if err := porcupine.VisualizePath(model, info, path); err != nil {
			return paths, fmt.Errorf("draw the histories: %w", err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// picturesMost bounds the pictures that are drawn: one broken store breaks many objects.
const picturesMost = 8
