package linear_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"byzd/testnet/judge/linear"
	"byzd/testnet/load"
)

// store is a store in memory. Its defects are those that a broken cluster would show.
type store struct {
	mu      sync.Mutex
	keys    map[string]string
	writes  int
	defect  string
	old     map[string]string // what a node that is behind still has
	pending []func()
}

var errSilent = errors.New("no answer")

func newStore(defect string) *store {
	return &store{keys: map[string]string{}, old: map[string]string{}, defect: defect}
}

// set writes, unless this is a write that the defect loses.
func (s *store) set(key, value string) {
	s.writes++
	if s.writes%10 == 0 {
		s.old[key] = s.keys[key]
	}
	if s.defect == "lost writes" && s.writes%25 == 0 {
		return
	}
	s.keys[key] = value
}

// answer loses one answer in seven, of operations that happened, will happen, or never do.
func (s *store) answer(happens func()) error {
	if s.writes++; s.writes%7 != 0 {
		happens()
		return nil
	}
	switch s.writes / 7 % 3 {
	case 0:
		happens()
	case 1:
		s.pending = append(s.pending, happens)
	}
	return errSilent
}

// late lets happen what was left open.
func (s *store) late() {
	if s.writes++; s.writes%11 == 0 {
		for _, f := range s.pending {
			f()
		}
		s.pending = nil
	}
}

func (s *store) Get(_ context.Context, key string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late()
	if old, is := s.old[key]; is && s.defect == "stale reads" {
		return old, nil
	}
	return s.keys[key], nil
}

func (s *store) Put(_ context.Context, key, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer(func() { s.set(key, value) })
}

func (s *store) Swap(_ context.Context, key, expect, value string) (bool, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done, now := false, ""
	err := s.answer(func() {
		if now = s.keys[key]; now != expect {
			return
		}
		done, now = true, ""
		s.set(key, value)
		if s.defect == "repeated changes" && s.writes%9 == 0 {
			if n, err := strconv.Atoi(value); err == nil {
				s.keys[key] = strconv.Itoa(n + 1)
			}
		}
	})
	return done, now, err
}

func (s *store) List(_ context.Context, prefix string) ([]load.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late()
	var list []load.Entry
	for key, value := range s.keys {
		if old, is := s.old[key]; is && s.defect == "stale reads" {
			value = old
		}
		if strings.HasPrefix(key, prefix) && value != "" {
			list = append(list, load.Entry{Key: key, Value: value})
		}
	}
	slices.SortFunc(list, func(a, b load.Entry) int { return strings.Compare(a.Key, b.Key) })
	return list, nil
}

func (s *store) Create(_ context.Context, entries []load.Entry) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[entries[0].Key] != "" {
		return false, nil
	}
	for _, e := range entries {
		s.keys[e.Key] = e.Value
	}
	return true, nil
}

func (s *store) Transfer(_ context.Context, from, to string, amount uint64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := false
	once := func() {
		a, b := s.number(from), s.number(to)
		if a < amount {
			return
		}
		done = true
		s.set(from, strconv.FormatUint(a-amount, 10))
		s.set(to, strconv.FormatUint(b+amount, 10))
	}
	return done, s.answer(func() {
		once()
		if s.defect == "repeated changes" && s.writes%5 == 0 {
			once()
		}
	})
}

func (s *store) number(key string) uint64 {
	n, _ := strconv.ParseUint(s.keys[key], 10, 64)
	return n
}

// work lets four clients do 150 steps each, and reads everything at the end.
func work(t *testing.T, name string, s load.Store) []load.Operation {
	t.Helper()
	h := load.NewHistory()
	w := load.NewWorkload(name, h)
	var clients sync.WaitGroup
	for range 4 {
		c := w.NewClient(s, 1)
		clients.Go(func() {
			for range 150 {
				if err := c.Step(t.Context()); err != nil && !errors.Is(err, errSilent) {
					t.Logf("%s: %v", name, err)
					return
				}
			}
		})
	}
	clients.Wait()
	if err := w.NewClient(s, 1).Final(t.Context()); err != nil {
		t.Error(err)
	}
	return h.Operations()
}

// Every workload passes on a correct store that loses answers, and its history survives the file.
func TestWorkloadsOnACorrectStore(t *testing.T) {
	for _, name := range load.WorkloadNames() {
		t.Run(name, func(t *testing.T) {
			ops := work(t, name, newStore(""))
			r := linear.Check(ops, time.Minute)
			if r.State != linear.Linearizable || r.Operations < 300 || r.Open == 0 {
				t.Errorf("%+v", r)
			}
			t.Logf("%d answered, %d open, %d objects, %d ms", r.Operations, r.Open, r.Objects, r.Millis)
			h := load.NewHistory()
			for _, op := range ops {
				h.Add(op)
			}
			var file bytes.Buffer
			if _, err := h.WriteTo(&file); err != nil {
				t.Fatal(err)
			}
			again, err := load.ReadHistory(&file)
			if err != nil || len(again) != len(ops) {
				t.Fatalf("%d of %d operations read: %v", len(again), len(ops), err)
			}
			if r := linear.Check(again, time.Minute); r.State != linear.Linearizable {
				t.Errorf("read from a file: %+v", r)
			}
		})
	}
}

// A store with a defect does not pass the workloads that can see it (VERIFY §8: a doctored store).
func TestWorkloadsOnBrokenStores(t *testing.T) {
	for defect, workloads := range map[string][]string{
		"lost writes":      load.WorkloadNames(),
		"stale reads":      {load.RegisterName, load.BankName, load.CounterName},
		"repeated changes": {load.BankName, load.CounterName},
	} {
		for _, name := range workloads {
			t.Run(defect+"/"+name, func(t *testing.T) {
				r := linear.Check(work(t, name, newStore(defect)), time.Minute)
				if r.State != linear.Violated {
					t.Fatalf("%+v", r)
				}
				t.Log(r.Problems[0].Object, r.Problems[0].Text)
			})
		}
	}
}

// A history that was cut short, or holds what no client records, is no history.
func TestReadHistoryRefuses(t *testing.T) {
	for _, text := range []string{
		`{"workload":"set","object":"set/0/","client":0,"action":"add","ca`,
		`{"workload":"set","object":"set/0/","client":0,"action":"eat","called":1}`,
		`{"workload":"set","object":"set/0/","client":0,"action":"list","called":1}`,
		`{"workload":"set","object":"set/0/","client":0,"action":"add","called":5,"returned":4,"answer":{}}`,
		`{"workload":"set","object":"set/0/","client":0,"action":"add","called":5,"colour":"red"}`,
	} {
		if ops, err := load.ReadHistory(strings.NewReader(text)); err == nil {
			t.Errorf("%s: read as %+v", text, ops)
		}
	}
}
