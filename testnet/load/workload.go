package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// The workloads that are checked for linearizability.
const (
	RegisterName = "register"
	SetName      = "set"
	BankName     = "bank"
	CounterName  = "counter"
)

// WorkloadNames lists them.
func WorkloadNames() []string { return []string{RegisterName, SetName, BankName, CounterName} }

// Sizes of the objects. An object is used for a while only, and then the next one, since the time
// that a check takes grows faster than the history of one object; all are read at the end.
const (
	registersAtOnce  = 4
	registerLife     = 400 // operations on all that are used at once
	setLife          = 120
	bankLife         = 150
	counterLife      = 200
	bankAccounts     = 4
	bankEach         = 25
	bankTransferMost = 5
)

// BankTotal is what the accounts of every bank hold together, always.
const BankTotal = bankAccounts * bankEach

// Workload is what the clients of one kind do. Its methods may be called from any goroutine.
type Workload struct {
	name    string
	history *History
	kind    kind
	clients atomic.Int32
}

// kind is what one workload does differently.
type kind interface {
	// step does something on one object of the workload.
	step(ctx context.Context, c *Client) error
	// final reads every object that was used.
	final(ctx context.Context, c *Client) error
}

// NewWorkload makes a workload that records into a history. It panics on a name that is not one of
// [WorkloadNames].
func NewWorkload(name string, h *History) *Workload {
	w := &Workload{name: name, history: h}
	switch name {
	case RegisterName:
		w.kind = &registers{}
	case SetName:
		w.kind = &sets{}
	case BankName:
		w.kind = &banks{}
	case CounterName:
		w.kind = &counters{}
	default:
		panic("load: no workload " + name)
	}
	return w
}

// Name returns the workload's name.
func (w *Workload) Name() string { return w.name }

// Client is one client of a workload: a store, and what it does by chance. One goroutine owns it.
type Client struct {
	workload *Workload
	store    Store
	number   int
	random   *rand.Rand
	writes   int
	opened   string // the bank that it knows to be open
}

// NewClient makes a client. The same seed and number do the same, as far as the answers are the
// same.
func (w *Workload) NewClient(store Store, seed uint64) *Client {
	number := int(w.clients.Add(1)) - 1
	source := rand.NewPCG(seed, uint64(number)) //nolint:gosec // not negative
	return &Client{
		workload: w, store: store, number: number,
		random: rand.New(source), //nolint:gosec // a workload is no secret
	}
}

// Step does one thing and records it. The error is the store's; there may have been answers before.
func (c *Client) Step(ctx context.Context) error { return c.workload.kind.step(ctx, c) }

// Final reads every object that any client used, so that the history ends with all that is there.
func (c *Client) Final(ctx context.Context) error { return c.workload.kind.final(ctx, c) }

// call records an operation: do returns what the client is told.
func (c *Client) call(op Operation, do func() (Answer, error)) (Answer, error) {
	h := c.workload.history
	op.Workload, op.Client, op.Called = c.workload.name, c.number, h.Now()
	answer, err := do()
	if errors.Is(err, ErrNotDone) {
		return answer, err
	}
	if err == nil {
		op.Returned, op.Answer = h.Now(), &answer
	}
	h.Add(op)
	return answer, err
}

// unique is a value that nobody else writes.
func (c *Client) unique() string {
	c.writes++
	return fmt.Sprintf("%d.%d", c.number, c.writes)
}

func (c *Client) read(ctx context.Context, key string) (string, error) {
	a, err := c.call(Operation{Object: key, Action: Read}, func() (Answer, error) {
		value, err := c.store.Get(ctx, key)
		return Answer{Value: value}, err
	})
	return a.Value, err
}

func (c *Client) swap(ctx context.Context, key, expect, value string) error {
	op := Operation{Object: key, Action: Swap, Expect: expect, Value: value}
	_, err := c.call(op, func() (Answer, error) {
		done, now, err := c.store.Swap(ctx, key, expect, value)
		return Answer{Done: done, Value: now}, err
	})
	return err
}

// registers is a row of keys that are read, written and swapped.
type registers struct{ used atomic.Int64 }

func (*registers) key(life int64, i int) string { return fmt.Sprintf("register/%d/%d", life, i) }

func (r *registers) step(ctx context.Context, c *Client) error {
	key := r.key((r.used.Add(1)-1)/registerLife, c.random.IntN(registersAtOnce))
	switch c.random.IntN(5) {
	case 0, 1:
		_, err := c.read(ctx, key)
		return err
	case 2, 3:
		value := c.unique()
		op := Operation{Object: key, Action: Write, Value: value}
		_, err := c.call(op, func() (Answer, error) {
			return Answer{Done: true}, c.store.Put(ctx, key, value)
		})
		return err
	}
	now, err := c.read(ctx, key)
	if err != nil {
		return err
	}
	return c.swap(ctx, key, now, c.unique())
}

func (r *registers) final(ctx context.Context, c *Client) error {
	for life := int64(0); life*registerLife < r.used.Load(); life++ {
		for i := range registersAtOnce {
			if _, err := c.read(ctx, r.key(life, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// sets are filled with the numbers from 0 on, and read as a whole.
type sets struct{ used atomic.Int64 }

func setPrefix(life int64) string { return fmt.Sprintf("set/%d/", life) }

func (s *sets) step(ctx context.Context, c *Client) error {
	if c.random.IntN(4) == 0 {
		return c.list(ctx, setPrefix(max(0, s.used.Load()-1)/setLife))
	}
	place := s.used.Add(1) - 1
	prefix, element := setPrefix(place/setLife), int(place%setLife)
	op := Operation{Object: prefix, Action: Add, From: element}
	_, err := c.call(op, func() (Answer, error) {
		err := c.store.Put(ctx, fmt.Sprintf("%s%04d", prefix, element), strconv.Itoa(element))
		return Answer{Done: true}, err
	})
	return err
}

// list reads a set. A key that no client can have written becomes element -1: nobody added it.
func (c *Client) list(ctx context.Context, prefix string) error {
	_, err := c.call(Operation{Object: prefix, Action: List}, func() (Answer, error) {
		entries, err := c.store.List(ctx, prefix)
		a := Answer{Elements: []int{}}
		for _, e := range entries {
			element, bad := strconv.Atoi(e.Value)
			if bad != nil || e.Key != fmt.Sprintf("%s%04d", prefix, element) {
				element = -1
			}
			a.Elements = append(a.Elements, element)
		}
		slices.Sort(a.Elements)
		return a, err
	})
	return err
}

func (s *sets) final(ctx context.Context, c *Client) error {
	for life := int64(0); life*setLife < s.used.Load(); life++ {
		if err := c.list(ctx, setPrefix(life)); err != nil {
			return err
		}
	}
	return nil
}

// banks are some accounts each, between which money moves.
type banks struct{ used atomic.Int64 }

func bankPrefix(life int64) string { return fmt.Sprintf("bank/%d/", life) }

func account(bank string, i int) string { return bank + strconv.Itoa(i) }

func (b *banks) step(ctx context.Context, c *Client) error {
	bank := bankPrefix((b.used.Add(1) - 1) / bankLife)
	if c.opened != bank {
		if err := c.open(ctx, bank); err != nil {
			return err
		}
	}
	if c.random.IntN(3) == 0 {
		return c.balances(ctx, bank)
	}
	from := c.random.IntN(bankAccounts)
	to := (from + 1 + c.random.IntN(bankAccounts-1)) % bankAccounts
	amount := uint64(1 + c.random.IntN(bankTransferMost)) //nolint:gosec // positive
	op := Operation{Object: bank, Action: Transfer, From: from, To: to, Amount: amount}
	_, err := c.call(op, func() (Answer, error) {
		done, err := c.store.Transfer(ctx, account(bank, from), account(bank, to), amount)
		return Answer{Done: done}, err
	})
	return err
}

// open makes the accounts, unless somebody did already.
func (c *Client) open(ctx context.Context, bank string) error {
	entries := make([]Entry, bankAccounts)
	for i := range entries {
		entries[i] = Entry{account(bank, i), strconv.Itoa(bankEach)}
	}
	_, err := c.call(Operation{Object: bank, Action: Open}, func() (Answer, error) {
		created, err := c.store.Create(ctx, entries)
		return Answer{Done: created}, err
	})
	if err == nil {
		c.opened = bank
	}
	return err
}

func (c *Client) balances(ctx context.Context, bank string) error {
	_, err := c.call(Operation{Object: bank, Action: List}, func() (Answer, error) {
		entries, err := c.store.List(ctx, bank)
		a := Answer{Balances: []uint64{}}
		for i, e := range entries {
			balance, bad := strconv.ParseUint(e.Value, 10, 64)
			if bad != nil || strings.TrimPrefix(e.Key, bank) != strconv.Itoa(i) {
				a.Elements = append(a.Elements, -1) // no state of a bank has such a thing
			}
			a.Balances = append(a.Balances, balance)
		}
		return a, err
	})
	return err
}

func (b *banks) final(ctx context.Context, c *Client) error {
	for life := int64(0); life*bankLife < b.used.Load(); life++ {
		if err := c.balances(ctx, bankPrefix(life)); err != nil {
			return err
		}
	}
	return nil
}

// counters are keys that are read, and swapped for the next number.
type counters struct{ used atomic.Int64 }

func counterKey(life int64) string { return fmt.Sprintf("counter/%d", life) }

func (k *counters) step(ctx context.Context, c *Client) error {
	key := counterKey((k.used.Add(1) - 1) / counterLife)
	now, err := c.read(ctx, key)
	if err != nil {
		return err
	}
	count := 0
	if now != "" {
		if count, err = strconv.Atoi(now); err != nil {
			return fmt.Errorf("counter %s holds %q", key, now)
		}
	}
	return c.swap(ctx, key, now, strconv.Itoa(count+1))
}

func (k *counters) final(ctx context.Context, c *Client) error {
	for life := int64(0); life*counterLife < k.used.Load(); life++ {
		if _, err := c.read(ctx, counterKey(life)); err != nil {
			return err
		}
	}
	return nil
}

// OpeningBalances are those of a bank that was just opened, as [WriteBalances] writes them.
func OpeningBalances() string {
	all := make([]uint64, bankAccounts)
	for i := range all {
		all[i] = bankEach
	}
	return WriteBalances(all)
}

// WriteBalances writes the balances of a bank in one line; no accounts are the empty one.
func WriteBalances(all []uint64) string {
	words := make([]string, len(all))
	for i, b := range all {
		words[i] = strconv.FormatUint(b, 10)
	}
	return strings.Join(words, " ")
}

// ReadBalances reads what WriteBalances wrote.
func ReadBalances(text string) []uint64 {
	var all []uint64
	for word := range strings.FieldsSeq(text) {
		b, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return nil
		}
		all = append(all, b)
	}
	return all
}
