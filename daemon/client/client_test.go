package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"byzd/crypto"
	"byzd/daemon/api/apitest"
	"byzd/daemon/client"
	"byzd/daemon/kv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is far above what anything here takes.
const limit = time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Open(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func keyPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "client.key")
}

func freshKey(t *testing.T, label string) *crypto.NetworkKey {
	t.Helper()
	key := crypto.NewNetworkKey(crypto.DeriveSeed([32]byte{}, label))
	return &key
}

// One endpoint is enough: the others are learned from it, and every operation works.
func TestOperations(t *testing.T) {
	cluster := apitest.Start(t, "operations", 4)
	ctx := within(t)
	c := open(t, client.Options{
		Endpoints: cluster.Endpoints[1:2], Genesis: cluster.Genesis, KeyPath: keyPath(t),
	})
	if _, found, err := c.Get(ctx, []byte("k")); err != nil || found {
		t.Fatalf("get of nothing: %t, %v", found, err)
	}
	if r, err := c.Put(ctx, []byte("k"), []byte("1")); err != nil || r.Revision != 2 {
		t.Fatalf("put: %+v, %v", r, err)
	}
	if e, found, err := c.Get(ctx, []byte("k")); err != nil || !found || string(e.Value) != "1" {
		t.Fatalf("get: %+v, %v", e, err)
	}
	r, err := c.CompareAndSwap(ctx, []byte("k"), []byte("0"), []byte("2"))
	if err != nil || r.Succeeded || string(r.KVs[0].Value) != "1" {
		t.Fatalf("compare and swap that fails: %+v, %v", r, err)
	}
	for _, expect := range []string{"1", "2"} {
		r, err = c.CompareAndSwap(ctx, []byte("k"), []byte(expect), []byte("2"))
		if err != nil || !r.Succeeded {
			t.Fatalf("compare and swap of %s: %+v, %v", expect, r, err)
		}
	}
	if r, err = c.CompareAndSwap(ctx, []byte("new"), nil, []byte("7")); err != nil || !r.Succeeded {
		t.Fatalf("compare and swap of an absent key: %+v, %v", r, err)
	}
	if _, err = c.Transfer(ctx, []byte("new"), []byte("k"), 5); err != nil {
		t.Fatal(err)
	}
	var refused *client.CodeError
	if _, err = c.Transfer(ctx, []byte("new"), []byte("k"), 5); !errors.As(err, &refused) ||
		refused.Code != kv.CodeInsufficient {
		t.Fatalf("transfer of too much: %v", err)
	}
	for _, want := range []bool{true, false} {
		if existed, err := c.Delete(ctx, []byte("k")); err != nil || existed != want {
			t.Fatalf("delete: %t, %v", existed, err)
		}
	}
	large := make([]byte, kv.ValueBytesMax+1)
	if _, err := c.Put(ctx, []byte("k"), large); !errors.Is(err, kv.ErrTooLarge) {
		t.Errorf("put of a large value: %v", err)
	}
}

// A silent node, a lying one and one that drops what it takes, all at once: the two honest
// endpoints that are left, of which one does nothing, suffice.
func TestBadEndpoints(t *testing.T) {
	cluster := apitest.Start(t, "bad", 4)
	ctx := within(t)
	cluster.Silence(t, 0)
	cluster.SetFault(1, apitest.Fault{Lie: true})
	cluster.SetFault(2, apitest.Fault{Drop: true})
	c := open(t, client.Options{
		Endpoints: cluster.Endpoints, Genesis: cluster.Genesis, Key: freshKey(t, "bad"),
	})
	for i := range 10 {
		key, value := fmt.Appendf(nil, "k%d", i), fmt.Appendf(nil, "v%d", i)
		if _, err := c.Put(ctx, key, value); err != nil {
			t.Fatal(err)
		}
		got, found, err := c.Get(ctx, key)
		if err != nil || !found || !bytes.Equal(got.Value, value) {
			t.Fatalf("get: %q %t, %v", got.Value, found, err)
		}
		op, err := kv.Encode(kv.Put{Key: key, Value: value})
		if err != nil {
			t.Fatal(err)
		}
		if n := cluster.Executed(3, op); n != 1 {
			t.Errorf("put %d was executed %d times", i, n)
		}
	}
}

// Each bad endpoint alone, as the only one that was named first.
func TestEachBadEndpointFirst(t *testing.T) {
	for name, fault := range map[string]apitest.Fault{
		"lie": {Lie: true}, "drop": {Drop: true}, "busy": {Busy: true}, "usurp": {Usurp: true},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := apitest.Start(t, "first"+name, 4)
			cluster.SetFault(0, fault)
			c := open(t, client.Options{
				Endpoints: cluster.Endpoints[:1], Genesis: cluster.Genesis, Key: freshKey(t, name),
			})
			if _, err := c.Put(within(t), []byte("k"), []byte("v")); err != nil {
				t.Fatal(err)
			}
			if n := cluster.Delivered(0); n == 0 {
				t.Error("the bad node was not even asked")
			}
		})
	}
}

// Without a quorum of answers the error says what is known: a lie of one member is never believed.
func TestNoAnswer(t *testing.T) {
	cluster := apitest.Start(t, "noanswer", 4)
	c := open(t, client.Options{
		Endpoints: cluster.Endpoints, Genesis: cluster.Genesis, Key: freshKey(t, "noanswer"),
	})
	if _, err := c.Put(within(t), []byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	cluster.SetFault(0, apitest.Fault{Lie: true})
	for i := 1; i < 4; i++ {
		cluster.StopEndpoint(i)
	}
	ctx, cancel := context.WithCancel(within(t))
	delivered, failed := cluster.Delivered(0), make(chan error, 1)
	go func() { _, err := c.Put(ctx, []byte("k"), []byte("w")); failed <- err }()
	// By the third time that the node is asked, its lies about the first were counted.
	wait(t, func() bool { return len(failed) > 0 || cluster.Delivered(0) > delivered+2 })
	cancel()
	err := <-failed
	var no *client.NoAnswerError
	if !errors.Is(err, client.ErrUnknown) || !errors.Is(err, client.ErrNoAnswer) ||
		!errors.Is(err, context.Canceled) || !errors.As(err, &no) || no.Agree != 1 || no.Sent == 0 {
		t.Fatalf("a write without a quorum: %v", err)
	}
	ctx, cancel = context.WithCancel(within(t))
	go func() { _, _, err := c.Get(ctx, []byte("k")); failed <- err }()
	cancel()
	if err := <-failed; errors.Is(err, client.ErrUnknown) {
		t.Errorf("a read has no unknown outcome: %v", err)
	}
}

// A node that refuses again and again is quoted once.
func TestNoAnswer_QuotesEachNodeOnce(t *testing.T) {
	cluster := apitest.Start(t, "complaints", 4)
	for i := range 4 {
		cluster.SetFault(i, apitest.Fault{Busy: true})
	}
	c := open(t, client.Options{
		Endpoints: cluster.Endpoints, Genesis: cluster.Genesis, Key: freshKey(t, "complaints"),
	})
	ctx, cancel := context.WithCancel(within(t))
	failed := make(chan error, 1)
	go func() { _, err := c.Put(ctx, []byte("k"), []byte("v")); failed <- err }()
	wait(t, func() bool {
		asked := true
		for i := range 4 {
			asked = asked && cluster.Delivered(i) > 2
		}
		return len(failed) > 0 || asked
	})
	cancel()
	err := <-failed
	var no *client.NoAnswerError
	if !errors.As(err, &no) || len(no.Notes) == 0 || len(no.Notes) > 4 {
		t.Fatalf("refused by all: %v", err)
	}
	for _, endpoint := range cluster.Endpoints {
		if n := strings.Count(err.Error(), endpoint); n > 1 {
			t.Errorf("%s is quoted %d times: %v", endpoint, n, err)
		}
	}
	if !strings.HasPrefix(err.Error(), "interrupted: ") || no.Hint() != "" ||
		strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("an interrupted request: %v, hint %q", err, no.Hint())
	}
}

// wait polls a condition, without a clock but the test's own limit.
func wait(t *testing.T, done func() bool) {
	t.Helper()
	ctx := within(t)
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatal("waited in vain")
		case <-time.After(time.Millisecond):
		}
	}
}

// Several clients share a key's files at once: every write runs exactly once, and nobody is taken
// for somebody else.
func TestSharedKey(t *testing.T) {
	cluster := apitest.Start(t, "shared", 4)
	ctx := within(t)
	path := keyPath(t)
	const clients, each = 4, 25
	var all sync.WaitGroup
	for i := range clients {
		c := open(t, client.Options{
			Endpoints: []string{cluster.Endpoints[i]}, Genesis: cluster.Genesis, KeyPath: path,
		})
		all.Go(func() {
			for k := range each {
				key := fmt.Appendf(nil, "c%d/%d", i, k)
				r, err := c.CompareAndSwap(ctx, key, nil, key)
				if err != nil || !r.Succeeded {
					t.Errorf("client %d, write %d: %+v, %v", i, k, r, err)
					return
				}
			}
		})
	}
	all.Wait()
	for i := range clients {
		for k := range each {
			key := fmt.Appendf(nil, "c%d/%d", i, k)
			op, err := kv.Encode(kv.CompareAndSwap{Key: key, Absent: true, New: key})
			if err != nil {
				t.Fatal(err)
			}
			if n := cluster.Executed(0, op); n != 1 {
				t.Errorf("%s was executed %d times", key, n)
			}
		}
	}
}

// More operations at once than a session has places for wait for one another.
func TestWindow(t *testing.T) {
	cluster := apitest.Start(t, "window", 4)
	ctx := within(t)
	c := open(t, client.Options{
		Endpoints: cluster.Endpoints, Genesis: cluster.Genesis, Key: freshKey(t, "window"),
	})
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			if _, err := c.Put(ctx, fmt.Appendf(nil, "k%d", i), []byte("v")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// A second computer with the same key ends the first one's session. The first one is told the truth
// and goes on with a new session.
func TestSessionLost(t *testing.T) {
	cluster := apitest.Start(t, "lost", 4)
	ctx := within(t)
	first := open(t, client.Options{
		Endpoints: cluster.Endpoints, Genesis: cluster.Genesis, Key: freshKey(t, "lost"),
	})
	if _, err := first.Put(ctx, []byte("k"), []byte("1")); err != nil {
		t.Fatal(err)
	}
	second := open(t, client.Options{
		Endpoints: cluster.Endpoints, Genesis: cluster.Genesis, Key: freshKey(t, "lost"),
	})
	if _, err := second.Put(ctx, []byte("k"), []byte("2")); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Put(ctx, []byte("k"), []byte("3")); !errors.Is(err, client.ErrUnknown) {
		t.Fatalf("a write in a dead session: %v", err)
	}
	if _, err := first.Put(ctx, []byte("k"), []byte("4")); err != nil {
		t.Fatalf("a write in the next session: %v", err)
	}
	got, found, err := second.Get(ctx, []byte("k"))
	if err != nil || !found || string(got.Value) != "4" {
		t.Errorf("a read in a dead session: %q %t, %v", got.Value, found, err)
	}
}

// The book beside a key's file is that key's: who removes the file, and gets another key, gets
// another session too, and no answer about the old one.
func TestReplacedKey(t *testing.T) {
	cluster := apitest.Start(t, "replaced", 4)
	path := keyPath(t)
	for i := range 2 {
		c, err := client.Open(within(t), client.Options{
			Endpoints: cluster.Endpoints, Genesis: cluster.Genesis, KeyPath: path,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Put(within(t), []byte("k"), []byte("v")); err != nil {
			t.Errorf("put with key %d: %v", i, err)
		}
		if err := errors.Join(c.Close(), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
	}
}

// Nodes that come back elsewhere are found there, before a request and while it waits.
func TestRefresh(t *testing.T) {
	before, now := apitest.Start(t, "moved", 4), apitest.Start(t, "moved", 4)
	var asked atomic.Int32
	c := open(t, client.Options{
		Endpoints: before.Endpoints[:2], Genesis: before.Genesis, Key: freshKey(t, "moved"),
		Refresh: func() []string {
			if asked.Add(1) == 1 {
				return []string{"nonsense"} // is passed over
			}
			return now.Endpoints[1:3]
		},
	})
	for i := range 4 {
		before.StopEndpoint(i)
	}
	if _, err := c.Put(within(t), []byte("k"), []byte("v")); err != nil || asked.Load() < 2 {
		t.Fatalf("put: %v, endpoints were asked for %d times", err, asked.Load())
	}
	if _, found, err := c.Get(within(t), []byte("k")); err != nil || !found {
		t.Errorf("get: %t, %v", found, err)
	}
}

// Without a genesis the one on which all endpoints agree is pinned, and another one is refused.
func TestTrustOnFirstUse(t *testing.T) {
	cluster, other := apitest.Start(t, "mine", 4), apitest.Start(t, "other", 4)
	ctx := within(t)
	path := keyPath(t)
	mixed := client.Options{
		Endpoints: []string{cluster.Endpoints[0], other.Endpoints[0]}, KeyPath: path,
	}
	if _, err := client.Open(ctx, mixed); !errors.Is(err, client.ErrGenesisDiffers) {
		t.Fatalf("endpoints of two clusters: %v", err)
	}
	c := open(t, client.Options{Endpoints: cluster.Endpoints[:2], KeyPath: path})
	if _, err := c.Put(ctx, []byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".genesis.toml"); err != nil {
		t.Errorf("nothing is pinned: %v", err)
	}
	_, err := client.Open(ctx, client.Options{Endpoints: other.Endpoints[:1], KeyPath: path})
	var hint interface{ Hint() string }
	if !errors.Is(err, client.ErrGenesisChanged) || !errors.As(err, &hint) ||
		!strings.Contains(hint.Hint(), "--genesis") {
		t.Fatalf("another cluster later on: %v", err)
	}
	again := open(t, mixed) // one of them agrees with what is pinned
	if _, found, err := again.Get(ctx, []byte("k")); err != nil || !found {
		t.Errorf("with a liar among the endpoints: %t, %v", found, err)
	}
	cluster.StopEndpoint(0)
	if _, err := client.Open(ctx, client.Options{
		Endpoints: cluster.Endpoints[:1], KeyPath: keyPath(t),
	}); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
}

// An endpoint may be a socket in the file system.
func TestUnixSocket(t *testing.T) {
	cluster := apitest.Start(t, "unix", 1)
	path := filepath.Join(t.TempDir(), "byzd.sock")
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	cluster.AlsoOn(0, l)
	c := open(t, client.Options{Endpoints: []string{"unix:" + path}, Key: freshKey(t, "unix")})
	if _, err := c.Put(within(t), []byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	key := freshKey(t, "refuse")
	for name, o := range map[string]client.Options{
		"no endpoint":   {Key: key},
		"no port":       {Key: key, Endpoints: []string{"localhost"}},
		"a URL":         {Key: key, Endpoints: []string{"http://localhost:1/"}},
		"an empty path": {Key: key, Endpoints: []string{"unix:"}},
		"no key":        {Endpoints: []string{"localhost:1"}},
	} {
		if _, err := client.Open(within(t), o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// Close ends what is under way and says that its outcome is unknown.
func TestClose(t *testing.T) {
	cluster := apitest.Start(t, "close", 4)
	c, err := client.Open(within(t), client.Options{
		Endpoints: cluster.Endpoints, Genesis: cluster.Genesis, Key: freshKey(t, "close"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(within(t), []byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		cluster.SetFault(i, apitest.Fault{Drop: true})
	}
	before, failed := cluster.Delivered(0), make(chan error, 1)
	go func() { _, err := c.Put(t.Context(), []byte("k"), []byte("w")); failed <- err }()
	wait(t, func() bool { return cluster.Delivered(0) > before })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, client.ErrClosed) || !errors.Is(err, client.ErrUnknown) {
		t.Errorf("a write under way: %v", err)
	}
}
