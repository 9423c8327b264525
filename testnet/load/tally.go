package load

import (
	"fmt"
	"slices"
	"strconv"
)

// Lost looks, by plain counting, for acknowledged changes that the last read of their object does
// not show, and for money that came or went. It finds less than a check for linearizability, and
// cannot be wrong in the same way. The history must end with the reads of [Client.Final].
func Lost(operations []Operation) []string {
	byObject := map[string][]*Operation{}
	var order []string
	for i := range operations {
		op := &operations[i]
		if byObject[op.Object] == nil {
			order = append(order, op.Object)
		}
		byObject[op.Object] = append(byObject[op.Object], op)
	}
	var problems []string
	for _, object := range order {
		ops := byObject[object]
		switch ops[0].Workload {
		case SetName:
			problems = append(problems, lostElements(object, ops)...)
		case CounterName:
			problems = append(problems, lostIncrements(object, ops)...)
		case BankName:
			problems = append(problems, lostMoney(object, ops)...)
		}
	}
	return problems
}

// last is the answer of the last read of an object that began after everything had been answered.
func last(ops []*Operation) *Answer {
	var newest *Operation
	for _, op := range ops {
		if op.Answer == nil || op.Action.Changes() {
			continue
		}
		if newest == nil || op.Called > newest.Called {
			newest = op
		}
	}
	if newest == nil {
		return nil
	}
	return newest.Answer
}

func lostElements(object string, ops []*Operation) []string {
	final := last(ops)
	if final == nil {
		return []string{object + ": it was never read"}
	}
	var problems []string
	tried := map[int]bool{}
	for _, op := range ops {
		if op.Action != Add {
			continue
		}
		tried[op.From] = true
		if op.Answer != nil && !slices.Contains(final.Elements, op.From) {
			problems = append(problems, fmt.Sprintf("%s: element %d was acknowledged and is lost",
				object, op.From))
		}
	}
	for _, e := range final.Elements {
		if !tried[e] {
			problems = append(problems, fmt.Sprintf("%s: nobody added element %d", object, e))
		}
	}
	return problems
}

func lostIncrements(object string, ops []*Operation) []string {
	final := last(ops)
	if final == nil {
		return []string{object + ": it was never read"}
	}
	least, most := 0, 0
	for _, op := range ops {
		if op.Action != Swap {
			continue
		}
		if op.Answer == nil {
			most++
		} else if op.Answer.Done {
			least++
			most++
		}
	}
	count := 0
	if final.Value != "" {
		var err error
		if count, err = strconv.Atoi(final.Value); err != nil {
			return []string{fmt.Sprintf("%s: it holds %q", object, final.Value)}
		}
	}
	if count < least || count > most {
		return []string{fmt.Sprintf("%s: it counts %d, and between %d and %d increments were done",
			object, count, least, most)}
	}
	return nil
}

func lostMoney(object string, ops []*Operation) []string {
	for _, op := range ops {
		if op.Action != List || op.Answer == nil || len(op.Answer.Balances) == 0 {
			continue
		}
		sum := uint64(0)
		for _, b := range op.Answer.Balances {
			sum += b
		}
		if sum != BankTotal {
			return []string{fmt.Sprintf("%s: client %d saw %v, which is %d and not %d", object,
				op.Client, op.Answer.Balances, sum, BankTotal)}
		}
	}
	if last(ops) == nil {
		return []string{object + ": it was never read"}
	}
	return nil
}
