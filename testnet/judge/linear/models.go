package linear

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/anishathalye/porcupine"

	"byzd/testnet/load"
)

// models are what each workload's objects do, one operation after the other. All states are
// strings, so that they can be compared, and the first one is empty. An operation without an answer
// may change the state, as one with an answer does; what it was told does not matter.
func models() map[string]porcupine.Model {
	return map[string]porcupine.Model{
		load.RegisterName: model(register),
		load.CounterName:  model(counter),
		load.SetName:      model(set),
		load.BankName:     model(bank),
	}
}

// step is what one operation does: it returns the new state, and whether the answer fits.
type step func(state string, op *load.Operation, told *load.Answer) (string, bool)

func model(do step) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			s, _ := state.(string)
			op, _ := input.(*load.Operation)
			told, _ := output.(*load.Answer)
			next, fits := do(s, op, told)
			return fits, next
		},
		DescribeOperation: func(input, output any) string {
			op, _ := input.(*load.Operation)
			told, _ := output.(*load.Answer)
			return describe(op, told)
		},
		DescribeState: func(state any) string { return fmt.Sprintf("%q", state) },
	}
}

// register holds a value, or none.
func register(state string, op *load.Operation, told *load.Answer) (string, bool) {
	switch op.Action {
	case load.Read:
		return state, told == nil || told.Value == state
	case load.Write:
		return op.Value, true
	case load.Swap:
		holds := state == op.Expect
		next := state
		if holds {
			next = op.Value
		}
		switch {
		case told == nil:
			return next, true
		case told.Done:
			return next, holds
		default:
			return state, !holds && told.Value == state
		}
	default:
		return state, false
	}
}

// counter is a register whose every change adds one. That a client adds anything else, or that two
// add the same, is not what the workload does.
func counter(state string, op *load.Operation, told *load.Answer) (string, bool) {
	if op.Action == load.Swap {
		from, _ := strconv.Atoi(op.Expect) // nothing is zero
		if to, err := strconv.Atoi(op.Value); err != nil || to != from+1 {
			return state, false
		}
	}
	if op.Action == load.Write {
		return state, false
	}
	return register(state, op, told)
}

// set is written as a row of zeros and ones, by element.
func set(state string, op *load.Operation, told *load.Answer) (string, bool) {
	switch op.Action {
	case load.Add:
		row := []byte(state)
		for len(row) <= op.From {
			row = append(row, '0')
		}
		row[op.From] = '1'
		return string(row), true
	case load.List:
		if told == nil {
			return state, true
		}
		if strings.Count(state, "1") != len(told.Elements) {
			return state, false
		}
		for i, e := range told.Elements {
			twice := i > 0 && told.Elements[i-1] == e
			if e < 0 || e >= len(state) || state[e] != '1' || twice {
				return state, false
			}
		}
		return state, true
	default:
		return state, false
	}
}

// bank is empty until it is opened, and then its accounts.
func bank(state string, op *load.Operation, told *load.Answer) (string, bool) {
	switch op.Action {
	case load.Open:
		if state == "" {
			return load.OpeningBalances(), told == nil || told.Done
		}
		return state, told == nil || !told.Done
	case load.Transfer:
		next, moved := transfer(state, op)
		return next, told == nil || told.Done == moved
	case load.List:
		return state, told == nil ||
			len(told.Elements) == 0 && load.WriteBalances(told.Balances) == state
	default:
		return state, false
	}
}

// transfer moves money, if there is enough.
func transfer(state string, op *load.Operation) (next string, moved bool) {
	balances := load.ReadBalances(state)
	if op.From < 0 || op.To < 0 || op.From >= len(balances) || op.To >= len(balances) ||
		op.From == op.To || balances[op.From] < op.Amount {
		return state, false
	}
	balances = slices.Clone(balances)
	balances[op.From] -= op.Amount
	balances[op.To] += op.Amount
	return load.WriteBalances(balances), true
}

// describe says in words what was asked and told.
func describe(op *load.Operation, told *load.Answer) string {
	var asked string
	switch op.Action {
	case load.Read, load.List, load.Open:
		asked = string(op.Action)
	case load.Write:
		asked = fmt.Sprintf("write %q", op.Value)
	case load.Swap:
		asked = fmt.Sprintf("cas %q to %q", op.Expect, op.Value)
	case load.Add:
		asked = fmt.Sprintf("add %d", op.From)
	case load.Transfer:
		asked = fmt.Sprintf("transfer %d from %d to %d", op.Amount, op.From, op.To)
	default:
		asked = fmt.Sprintf("%q", op.Action)
	}
	if told == nil {
		return asked + ": no answer"
	}
	switch {
	case op.Action == load.Read:
		return fmt.Sprintf("%s: %q", asked, told.Value)
	case op.Action == load.List && told.Balances != nil:
		return fmt.Sprintf("%s: %v", asked, told.Balances)
	case op.Action == load.List:
		return fmt.Sprintf("%s: %d elements, %v", asked, len(told.Elements), told.Elements)
	case op.Action == load.Swap && !told.Done:
		return fmt.Sprintf("%s: no, it is %q", asked, told.Value)
	case told.Done:
		return asked + ": done"
	default:
		return asked + ": not done"
	}
}
