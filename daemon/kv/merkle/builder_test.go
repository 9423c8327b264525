package merkle_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"byzd/daemon/kv/merkle"
)

// filled has n keys with values of size bytes.
func filled(n, size int) merkle.Tree {
	e := merkle.Tree{}.Edit()
	g := rand.New(rand.NewPCG(uint64(n), uint64(size)))
	value := make([]byte, size)
	for i := range n {
		for j := range value {
			value[j] = byte(g.Uint32())
		}
		e.Set(fmt.Appendf(nil, "key-%08d", i), value)
	}
	return e.Tree()
}

// fetch runs a builder against an honest source and returns the chunks that it took.
func fetch(tb testing.TB, b *merkle.Builder, source merkle.Tree, limit int) (chunks int) {
	tb.Helper()
	for {
		paths := b.Want(3)
		if len(paths) == 0 {
			return chunks
		}
		for _, p := range paths {
			chunk, err := source.Chunk(p, limit)
			if err != nil {
				tb.Fatal(err)
			}
			if err := b.Add(p, chunk); err != nil {
				tb.Fatal(err)
			}
			chunks++
		}
	}
}

func done(tb testing.TB, b *merkle.Builder, want merkle.Tree) {
	tb.Helper()
	got, ok := b.Done()
	if !ok {
		_, pending := b.Progress()
		tb.Fatalf("not done, %d pending", pending)
	}
	if got.Root() != want.Root() || got.Len() != want.Len() || got.Bytes() != want.Bytes() {
		tb.Fatalf("built %d keys in %d bytes with root %s, want %d, %d, %s", got.Len(), got.Bytes(),
			got.Root().Short(), want.Len(), want.Bytes(), want.Root().Short())
	}
	merkle.Diff(got, want, func(k, _, _ []byte) { tb.Errorf("key %q differs", k) })
}

func TestBuilder_BuildsWithoutALocalTree(t *testing.T) {
	for _, n := range []int{0, 1, 2, 10, 3000} {
		for _, limit := range []int{1, 200, 4096, 64 << 10, 1 << 24} {
			source := filled(n, 50)
			b := merkle.NewBuilder(source.Root())
			chunks := fetch(t, b, source, limit)
			done(t, b, source)
			total, _ := b.Progress()
			t.Logf("%d keys, limit %d: %d chunks, %d bytes of %d", n, limit, chunks, total,
				source.Bytes())
			if want := 4*int(source.Bytes())/limit + 4; limit >= 4096 && chunks > want {
				t.Errorf("%d keys, limit %d: %d chunks, expected at most %d", n, limit, chunks, want)
			}
		}
	}
}

// What is fetched grows with the difference, not with the tree.
func TestBuilder_FetchesWhatDiffers(t *testing.T) {
	source := filled(20_000, 100)
	for _, limit := range []int{4 << 10, 64 << 10} {
		for _, k := range []int{0, 1, 10, 100, 1000} {
			g := rand.New(rand.NewPCG(uint64(k), 7))
			e := source.Edit()
			for range k {
				name := fmt.Appendf(nil, "key-%08d", g.IntN(20_000))
				switch g.IntN(3) {
				case 0:
					e.Delete(name)
				case 1:
					e.Set(name, []byte("other"))
				case 2:
					e.Set(append(name, 'x'), []byte("more"))
				}
			}
			b := merkle.NewBuilder(source.Root(), e.Tree())
			chunks := fetch(t, b, source, limit)
			done(t, b, source)
			total, _ := b.Progress()
			t.Logf("limit %6d, %4d keys differ: %4d chunks, %8d bytes of %d", limit, k, chunks, total,
				source.Bytes())
			if most := int64(k) * 3 * int64(limit); total > most {
				t.Errorf("limit %d, %d keys differ: %d bytes, want at most %d", limit, k, total, most)
			}
		}
	}
}

// B39: no change of a chunk is taken, and none leaves a trace.
func TestBuilder_RefusesLies(t *testing.T) {
	source := filled(500, 20)
	b := merkle.NewBuilder(source.Root())
	g := rand.New(rand.NewPCG(1, 9))
	lies := 0
	for {
		paths := b.Want(1)
		if len(paths) == 0 {
			break
		}
		p := paths[0]
		chunk, err := source.Chunk(p, 2000)
		if err != nil {
			t.Fatal(err)
		}
		lie := bytes.Clone(chunk)
		switch g.IntN(4) {
		case 0:
			lie = lie[:g.IntN(len(lie))]
		case 1:
			lie = append(lie, 0)
		case 2:
			lie[g.IntN(len(lie))] ^= 1 << g.IntN(8)
		case 3:
			if lie, err = source.Chunk("", 1500); err != nil {
				t.Fatal(err)
			}
		}
		before, pending := b.Progress()
		if !bytes.Equal(lie, chunk) && p != "" {
			lies++
			err := b.Add(p, lie)
			if !errors.Is(err, merkle.ErrMalformed) && !errors.Is(err, merkle.ErrMismatch) {
				t.Fatalf("a lie about %s: %v", p, err)
			}
			if now, still := b.Progress(); now != before || still != pending {
				t.Fatal("a lie had an effect")
			}
			b.Retry(p)
			if again := b.Want(1); len(again) != 1 || again[0] != p {
				t.Fatalf("Retry of %s gave %v", p, again)
			}
		}
		if err := b.Add(p, chunk); err != nil {
			t.Fatal(err)
		}
		if err := b.Add(p, chunk); !errors.Is(err, merkle.ErrNotWanted) {
			t.Fatalf("a second answer: %v", err)
		}
	}
	if lies < 10 {
		t.Fatalf("only %d lies", lies)
	}
	done(t, b, source)
}

// A liar could write nothing as the digest of nothing; the builder would ask for it for ever.
func TestBuilder_RefusesTheDigestOfNothing(t *testing.T) {
	source := merkle.Tree{}.Set([]byte("k"), []byte("v"))
	chunk, err := source.Chunk("", 1000)
	if err != nil {
		t.Fatal(err)
	}
	nothing := merkle.Tree{}.Root()
	lie := append(bytes.Clone(chunk[:len(chunk)-1]), 1)
	lie = append(lie, nothing[:]...)
	b := merkle.NewBuilder(source.Root())
	if err := b.Add("", lie); !errors.Is(err, merkle.ErrMalformed) {
		t.Errorf("Add: %v", err)
	}
}

// Nothing is asked twice until it is retried, and nothing is forgotten.
func TestBuilder_Want(t *testing.T) {
	source := filled(2000, 20)
	b := merkle.NewBuilder(source.Root())
	asked := map[merkle.Path]bool{}
	var queue []merkle.Path
	for {
		for _, p := range b.Want(1000) {
			if asked[p] {
				t.Fatalf("%s is asked twice", p)
			}
			asked[p] = true
			queue = append(queue, p)
		}
		if len(queue) == 0 {
			break
		}
		chunk, err := source.Chunk(queue[0], 500)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Add(queue[0], chunk); err != nil {
			t.Fatal(err)
		}
		queue = queue[1:]
	}
	b.Retry("")
	b.Retry("lnothing")
	if got := b.Want(10); len(got) != 0 {
		t.Errorf("it wants %v", got)
	}
	done(t, b, source)
}

// R13: what was verified before a crash, or before the target moved on, is not fetched again.
func TestBuilder_GoesOn(t *testing.T) {
	source := filled(10_000, 100)
	first := merkle.NewBuilder(source.Root())
	var kept []merkle.Path
	var chunks [][]byte
	for range 100 {
		p := first.Want(1)[0]
		chunk, err := source.Chunk(p, 8<<10)
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Add(p, chunk); err != nil {
			t.Fatal(err)
		}
		kept, chunks = append(kept, p), append(chunks, chunk)
	}
	before, pending := first.Progress()
	again := merkle.NewBuilder(source.Root())
	for i, p := range kept {
		if err := again.Add(p, chunks[i]); err != nil {
			t.Fatal(err)
		}
	}
	if now, still := again.Progress(); now != before || still != pending {
		t.Errorf("added again: %d bytes, %d pending, want %d and %d", now, still, before, pending)
	}
	fetch(t, again, source, 8<<10)
	done(t, again, source)

	partial := first.Partial()
	moved := source.Set([]byte("key-00005000"), []byte("new")).Delete([]byte("key-00001000"))
	next := merkle.NewBuilder(moved.Root(), partial)
	fetch(t, next, moved, 8<<10)
	done(t, next, moved)
	full := merkle.NewBuilder(moved.Root())
	fetch(t, full, moved, 8<<10)
	with, _ := next.Progress()
	without, _ := full.Progress()
	t.Logf("%d bytes of %d keys known: %d bytes fetched, %d without them", before, partial.Len(),
		with, without)
	if with > without-before/2 {
		t.Errorf("%d bytes fetched with %d known, %d without", with, before, without)
	}
}

// Random trees, local trees and chunk sizes.
func TestBuilder_Random(t *testing.T) {
	for seed := range uint64(200) {
		g := rand.New(rand.NewPCG(seed, 5))
		a := model{}
		for range g.IntN(200) {
			a[key(g, 300)] = fmt.Sprint(g.IntN(100))
		}
		b := maps.Clone(a)
		for range g.IntN(20) * g.IntN(20) {
			if k := key(g, 300); g.IntN(2) == 0 {
				delete(b, k)
			} else {
				b[k] = fmt.Sprint(g.IntN(100))
			}
		}
		source := a.tree()
		builder := merkle.NewBuilder(source.Root(), b.tree(), merkle.Tree{})
		fetch(t, builder, source, 1+g.IntN(1000))
		done(t, builder, source)
	}
}

func TestPath(t *testing.T) {
	for _, bad := range []string{"l", "r", "xk", string(make([]byte, merkle.PathBytesMax+1))} {
		if p, err := merkle.DecodePath([]byte(bad)); !errors.Is(err, merkle.ErrMalformed) {
			t.Errorf("%.20q is the path %s (%v)", bad, p, err)
		}
	}
	for _, good := range []string{"", "lk", "r\x00"} {
		p, err := merkle.DecodePath([]byte(good))
		if err != nil || string(p.Bytes()) != good {
			t.Errorf("%q gives %s (%v)", good, p, err)
		}
	}
	source := filled(10, 1)
	for _, p := range []merkle.Path{"lnone", "rkey-00000009", "x", "xkey-00000001"} {
		if chunk, err := source.Chunk(p, 100); !errors.Is(err, merkle.ErrNoSubtree) {
			t.Errorf("%s: chunk %x (%v)", p, chunk, err)
		}
	}
}
