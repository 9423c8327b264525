package client

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byzd/crypto"
	"byzd/pbft"
)

func newLedger(t *testing.T, key string, session uint64) (*ledger, *files) {
	t.Helper()
	shelf, err := openFiles(key, crypto.NodeID{1}, crypto.Hash("cluster"))
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{shelf: shelf}
	err = l.establish(t.Context(), func(context.Context, uint64) (uint64, error) {
		return session, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l, shelf
}

func mustTake(t *testing.T, l *ledger) taken {
	t.Helper()
	got, err := l.tryTake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A place stands in the file before anybody can send a request under it, so a process that starts
// after a crash goes on behind it.
func TestPlacesAreRecordedFirst(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	first, _ := newLedger(t, key, 1<<20)
	if got := mustTake(t, first); got != (taken{1 << 20, 0, 0}) {
		t.Fatalf("took %+v", got)
	}
	second, shelf := newLedger(t, key, 2<<20) // finds the session of the first
	if got := mustTake(t, second); got != (taken{1 << 20, 1, 0}) {
		t.Errorf("took %+v", got)
	}
	first.release(taken{1 << 20, 0, 0})
	first.flush()
	if got := mustTake(t, second); got != (taken{1 << 20, 2, 1}) {
		t.Errorf("after the first was answered: %+v", got)
	}
	b, _, err := shelf.read()
	if err != nil || b.Next != 3 || len(b.Waiting) != 2 {
		t.Errorf("the book: %+v, %v", b, err)
	}
	for _, l := range []*ledger{first, second} {
		if err := l.close(); err != nil {
			t.Error(err)
		}
	}
}

// The places of a process that has ended hold nobody up.
func TestDeadHoldersAreGivenUp(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	crashed, shelf := newLedger(t, key, 1<<20)
	for range pbft.ClientWindow {
		mustTake(t, crashed)
	}
	survivor, _ := newLedger(t, key, 0)
	if _, err := survivor.tryTake(t.Context()); !errors.Is(err, errWindow) {
		t.Fatalf("beyond the window: %v", err)
	}
	if err := shelf.life.Close(); err != nil { // what the kernel does at a process's end
		t.Fatal(err)
	}
	if got := mustTake(t, survivor); got != (taken{1 << 20, 64, 64}) {
		t.Errorf("took %+v", got)
	}
	if _, err := os.Stat(shelf.life.Name()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead one's file: %v", err)
	}
	if err := survivor.close(); err != nil {
		t.Error(err)
	}
}

// What killed processes left behind is swept away, and what may be in use is not.
func TestSweep(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	living, shelf := newLedger(t, key, 1<<20)
	old := time.Now().Add(-2 * sweepAfter)
	for name, age := range map[string]time.Time{
		"live-dead": old, "x.tmp": old, "live-starting": time.Now(), "y.tmp": time.Now(),
	} {
		if err := os.WriteFile(shelf.path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(shelf.path(name), age, age); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(shelf.life.Name(), old, old); err != nil {
		t.Fatal(err)
	}
	next, _ := newLedger(t, key, 0)
	for name, want := range map[string]bool{
		"live-dead": false, "x.tmp": false, "live-starting": true, "y.tmp": true,
		filepath.Base(shelf.life.Name()): true,
	} {
		if _, err := os.Stat(shelf.path(name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, l := range []*ledger{living, next} {
		if err := l.close(); err != nil {
			t.Error(err)
		}
	}
}

// A copy of the files elsewhere, and a session that rested long, are not gone on with.
func TestSessionsNotContinued(t *testing.T) {
	for name, change := range map[string]func(*book){
		"copied":        func(b *book) { b.Place = "elsewhere:/" },
		"rested":        func(b *book) { b.Used -= 3600 },
		"other cluster": func(b *book) { b.Cluster = "00" },
		"other key":     func(b *book) { b.Key = "00" },
	} {
		t.Run(name, func(t *testing.T) {
			key := filepath.Join(t.TempDir(), "key")
			l, shelf := newLedger(t, key, 1<<20)
			l.release(mustTake(t, l))
			l.flush()
			b, _, err := shelf.read()
			if err != nil {
				t.Fatal(err)
			}
			nonce := b.Nonce
			change(b)
			data, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			if err = writeDurably(shelf.named("session", ".json"), data); err != nil {
				t.Fatal(err)
			}
			if _, err = l.tryTake(t.Context()); !errors.Is(err, errNoSession) {
				t.Errorf("took a place: %v", err)
			}
			err = l.establish(t.Context(), func(_ context.Context, next uint64) (uint64, error) {
				if next <= nonce {
					t.Errorf("nonce %d after %d", next, nonce)
				}
				return 2 << 20, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := mustTake(t, l); got != (taken{2 << 20, 0, 0}) {
				t.Errorf("took %+v", got)
			}
			if err := l.close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDamagedBook(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	l, shelf := newLedger(t, key, 1<<20)
	for _, text := range []string{"{", strings.Repeat(" ", bookBytesMax+1)} {
		if err := os.WriteFile(shelf.named("session", ".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var damaged *damagedError
		if _, err := l.tryTake(t.Context()); !errors.As(err, &damaged) || damaged.Hint() == "" {
			t.Errorf("a damaged book: %v", err)
		}
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
}

// Pauses are jittered, bounded, and never nothing.
func TestPauses(t *testing.T) {
	for round := range 70 {
		for range 50 {
			if p := pauseAfter(round); p < shortestPause || p > backoffMost ||
				round == 0 && p < silence {
				t.Fatalf("round %d: %v", round, p)
			}
		}
	}
}
