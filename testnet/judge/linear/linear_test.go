package linear_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byzd/testnet/judge/linear"
	"byzd/testnet/load"
)

// said is an operation that was answered.
func said(op load.Operation, called, returned int64, a load.Answer) load.Operation {
	op.Called, op.Returned, op.Answer = called, returned, &a
	return op
}

// open is an operation that was not.
func open(op load.Operation, called int64) load.Operation {
	op.Called = called
	return op
}

func read() load.Operation          { return load.Operation{Action: load.Read} }
func list() load.Operation          { return load.Operation{Action: load.List} }
func write(v string) load.Operation { return load.Operation{Action: load.Write, Value: v} }
func add(e int) load.Operation      { return load.Operation{Action: load.Add, From: e} }
func openBank() load.Operation      { return load.Operation{Action: load.Open} }

func cas(from, to string) load.Operation {
	return load.Operation{Action: load.Swap, Expect: from, Value: to}
}

func move(from, to int, amount uint64) load.Operation {
	return load.Operation{Action: load.Transfer, From: from, To: to, Amount: amount}
}

func value(v string) load.Answer         { return load.Answer{Value: v} }
func done() load.Answer                  { return load.Answer{Done: true} }
func elements(e ...int) load.Answer      { return load.Answer{Elements: e} }
func balances(all ...uint64) load.Answer { return load.Answer{Balances: all} }

// in puts operations on one object of a workload.
func in(workload string, ops []load.Operation) []load.Operation {
	for i := range ops {
		ops[i].Workload, ops[i].Object, ops[i].Client = workload, workload+"/0", i
	}
	return ops
}

type testCase struct {
	name     string
	workload string
	ops      []load.Operation
}

func history(name, workload string, ops ...load.Operation) testCase {
	return testCase{name, workload, ops}
}

// A checker that cannot fail is none: each of these is what a broken store would show (VERIFY §8).
func TestRefused(t *testing.T) {
	for _, c := range []testCase{
		history("lost update", load.RegisterName,
			said(write("a"), 1, 2, done()), said(read(), 3, 4, value(""))),
		history("stale read", load.RegisterName,
			said(write("a"), 1, 2, done()), said(write("b"), 3, 4, done()),
			said(read(), 5, 6, value("a"))),
		history("value that nobody wrote", load.RegisterName,
			said(read(), 1, 2, value("ghost"))),
		history("back in time", load.RegisterName,
			said(write("a"), 1, 2, done()), open(write("b"), 3),
			said(read(), 4, 5, value("b")), said(read(), 6, 7, value("a"))),
		history("cas on what is not there", load.RegisterName,
			said(write("a"), 1, 2, done()), said(cas("b", "c"), 3, 4, done())),
		history("cas refused although it fits", load.RegisterName,
			said(write("a"), 1, 2, done()), said(cas("a", "b"), 3, 4, value("a"))),
		history("cas told no and done all the same", load.RegisterName,
			said(write("a"), 1, 2, done()), said(cas("a", "b"), 3, 4, value("c")),
			said(read(), 5, 6, value("b"))),
		history("lost add", load.SetName,
			said(add(0), 1, 2, done()), said(list(), 3, 4, elements())),
		history("add that vanishes", load.SetName,
			said(add(0), 1, 8, done()), said(list(), 2, 3, elements(0)),
			said(list(), 4, 5, elements())),
		history("open add that is seen and vanishes", load.SetName,
			open(add(0), 1), said(list(), 2, 3, elements(0)), said(list(), 4, 5, elements())),
		history("add seen before it was called", load.SetName,
			said(list(), 1, 2, elements(0)), open(add(0), 3)),
		history("phantom add", load.SetName,
			said(add(0), 1, 2, done()), said(list(), 3, 4, elements(0, 5))),
		history("damaged element", load.SetName,
			said(add(0), 1, 2, done()), said(list(), 3, 4, elements(-1))),
		history("element twice", load.SetName,
			said(add(0), 1, 2, done()), said(add(1), 1, 2, done()),
			said(list(), 3, 4, elements(0, 0))),
		history("double transfer", load.BankName,
			said(openBank(), 1, 2, done()), said(move(0, 1, 5), 3, 4, done()),
			said(list(), 5, 6, balances(15, 35, 25, 25))),
		history("half a transfer", load.BankName,
			said(openBank(), 1, 2, done()), open(move(0, 1, 5), 3),
			said(list(), 5, 6, balances(20, 25, 25, 25))),
		history("transfer of an open bank that is not there", load.BankName,
			said(openBank(), 1, 2, done()), said(move(0, 1, 5), 3, 4, load.Answer{})),
		history("overdrawn", load.BankName,
			said(openBank(), 1, 2, done()), said(move(0, 1, 26), 3, 4, done())),
		history("opened twice", load.BankName,
			said(openBank(), 1, 2, done()), said(openBank(), 3, 4, done())),
		history("account that nobody opened", load.BankName,
			said(openBank(), 1, 2, done()),
			said(list(), 3, 4, load.Answer{Balances: []uint64{25, 25, 25, 25}, Elements: []int{-1}})),
		history("duplicated increment", load.CounterName,
			said(cas("", "1"), 1, 2, done()), said(read(), 3, 4, value("2"))),
		history("two clients make the same increment", load.CounterName,
			said(cas("", "1"), 1, 4, done()), said(cas("", "1"), 1, 4, done())),
		history("lost increment", load.CounterName,
			said(cas("", "1"), 1, 2, done()), said(cas("1", "2"), 3, 4, done()),
			said(read(), 5, 6, value("1"))),
		history("increment by two", load.CounterName,
			said(cas("", "2"), 1, 2, done())),
	} {
		t.Run(c.name, func(t *testing.T) {
			r := linear.Check(in(c.workload, c.ops), time.Minute)
			if r.State != linear.Violated || len(r.Problems) != 1 {
				t.Fatalf("%+v", r)
			}
			if !strings.Contains(r.Problems[0].Text, "was told") {
				t.Errorf("the problem is not explained: %q", r.Problems[0].Text)
			}
			t.Log(r.Problems[0].Text)
		})
	}
}

// What a correct store may show under faults is accepted; without that a refusal proves nothing.
func TestAccepted(t *testing.T) {
	for _, c := range []testCase{
		history("open write that happens late", load.RegisterName,
			open(write("a"), 1), said(read(), 2, 3, value("")), said(read(), 4, 5, value("a"))),
		history("open write that never happens", load.RegisterName,
			open(write("a"), 1), said(read(), 2, 3, value(""))),
		history("open cas that happened", load.RegisterName,
			said(write("a"), 1, 2, done()), open(cas("a", "b"), 3),
			said(cas("a", "c"), 4, 5, value("b"))),
		history("concurrent writes in either order", load.RegisterName,
			said(write("a"), 1, 10, done()), said(write("b"), 1, 10, done()),
			said(read(), 11, 12, value("a"))),
		history("reads while an add is under way", load.SetName,
			said(add(0), 1, 9, done()), said(list(), 2, 3, elements()),
			said(list(), 4, 5, elements(0))),
		history("open add that is seen", load.SetName,
			open(add(3), 1), said(list(), 2, 3, elements(3))),
		history("open add that only the later of two lists at the same time shows", load.SetName,
			open(add(3), 1), said(list(), 2, 9, elements()), said(list(), 3, 4, elements(3))),
		history("transfers", load.BankName,
			said(openBank(), 1, 2, done()), said(openBank(), 3, 4, load.Answer{}),
			said(move(0, 1, 5), 5, 6, done()), open(move(1, 2, 5), 5),
			said(list(), 7, 8, balances(20, 30, 25, 25)),
			said(list(), 9, 10, balances(20, 25, 30, 25))),
		history("too little", load.BankName,
			said(openBank(), 1, 2, done()), said(move(0, 1, 26), 3, 4, load.Answer{}),
			said(list(), 5, 6, balances(25, 25, 25, 25))),
		history("bank that is not open yet", load.BankName,
			said(list(), 1, 2, balances()), said(openBank(), 3, 4, done())),
		history("increments", load.CounterName,
			said(cas("", "1"), 1, 2, done()), said(cas("", "1"), 1, 3, value("1")),
			open(cas("1", "2"), 4), said(read(), 5, 6, value("2"))),
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := linear.Check(in(c.workload, c.ops), time.Minute); r.State != linear.Linearizable {
				t.Errorf("%+v", r)
			}
		})
	}
}

// One bad object among good ones is found and named, and drawn.
func TestObjectsApart(t *testing.T) {
	good := in(load.RegisterName, []load.Operation{
		said(write("a"), 1, 2, done()), said(read(), 3, 4, value("a")),
	})
	bad := in(load.RegisterName, []load.Operation{
		said(write("a"), 1, 2, done()), said(read(), 3, 4, value("b")),
	})
	for i := range bad {
		bad[i].Object = "register/7/1"
	}
	r := linear.Check(append(good, bad...), time.Minute)
	if r.State != linear.Violated || r.Objects != 2 || r.Operations != 4 ||
		len(r.Problems) != 1 || r.Problems[0].Object != "register/7/1" {
		t.Fatalf("%+v", r)
	}
	dir := filepath.Join(t.TempDir(), "pictures")
	paths, err := r.Draw(dir)
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	if page, err := os.ReadFile(paths[0]); err != nil || !bytes.Contains(page, []byte("<html")) {
		t.Errorf("%v, %d bytes", err, len(page))
	}
}

// Some tens of adds without an answer, as a pause of many nodes leaves them, are decided at once.
func TestManyOpenAdds(t *testing.T) {
	var ops []load.Operation
	for e := range 40 {
		ops = append(ops, open(add(e), int64(e+1)))
	}
	for at := range 40 {
		shown := []int{}
		for e := 0; e < at; e += 2 {
			shown = append(shown, e)
		}
		ops = append(ops, said(list(), int64(100+2*at), int64(101+2*at), elements(shown...)))
	}
	r := linear.Check(in(load.SetName, ops), time.Minute)
	if r.State != linear.Linearizable {
		t.Errorf("%+v", r)
	}
}

// A check that is out of time has decided nothing, and that is no pass. The same holds for objects
// that no model knows.
func TestUndecided(t *testing.T) {
	ops := in(load.RegisterName, []load.Operation{said(write("a"), 1, 2, done())})
	if r := linear.Check(ops, 0); r.State != linear.Undecided {
		t.Errorf("without time: %+v", r)
	}
	if r := linear.Check(in("queue", ops), time.Minute); r.State != linear.Undecided {
		t.Errorf("of an unknown workload: %+v", r)
	}
}
