package pbft_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
	"byzd/pbft/pbfttest"
)

// Every field of a replica, at any depth down to what is immutable, is the clone's own and shows in
// the fingerprint: changing it in a clone changes the clone's fingerprint and not the original's.
func TestCloneAndFingerprintCoverEveryField(t *testing.T) {
	fields, tried := map[string]bool{}, map[string]int{}
	for _, r := range sampleReplicas(t) {
		before := r.Fingerprint()
		if r.Clone().Fingerprint() != before {
			t.Fatal("a clone has another fingerprint")
		}
		for {
			c := r.Clone()
			w := walker{tried: tried}
			w.walk("Replica", reflect.ValueOf(c).Elem())
			if w.done == "" {
				break
			}
			fields[field(w.done)] = true
			if r.Fingerprint() != before {
				t.Fatalf("changing %s of the clone changed the original", w.done)
			}
			if c.Fingerprint() == before {
				t.Errorf("changing %s does not change the fingerprint", w.done)
			}
		}
	}
	typ := reflect.TypeFor[pbft.Replica]()
	for i := range typ.NumField() {
		if name := typ.Field(i).Name; !fields[name] && !constant["Replica."+name] {
			t.Errorf("no sample has anything in field %s", name)
		}
	}
}

// sampleReplicas are what random walks leave: whatever can be going on is going on in one of them.
func sampleReplicas(t *testing.T) []*pbft.Replica {
	t.Helper()
	var list []*pbft.Replica
	for seed := uint64(1); seed <= 40; seed++ {
		w := newWalk(seed)
		for step := range 400 {
			w.step(step)
			if step%50 == 49 {
				for _, node := range w.net.Nodes {
					list = append(list, node.Replica.Clone())
				}
			}
		}
		list = append(list, recovering(w)...)
	}
	return append(list, fetching(t)...)
}

// fetching returns replicas that miss a state, one because it strayed and one because it was away
// for too long. They do not get it.
func fetching(t *testing.T) []*pbft.Replica {
	t.Helper()
	net := pbfttest.New(4, params())
	net.Nodes[2].NoFetch, net.Nodes[3].NoFetch = true, true
	net.Crash(3)
	order := func(count int) {
		for k := range count {
			net.Submit(0, fmt.Sprint(k))
			net.RunFor(50)
		}
	}
	order(20)
	for i := range 2 {
		if !net.Cut(i) {
			t.Fatalf("replica %d has no stable checkpoint", i)
		}
	}
	net.Restart(3)
	order(5)
	net.Stray(2)
	order(20)
	return []*pbft.Replica{net.Nodes[2].Replica, net.Nodes[3].Replica}
}

// recovering lets a replica lose its disk, and returns what it is while it recovers.
func recovering(w *walk) (list []*pbft.Replica) {
	clear(w.cut)
	w.net.Wipe(3)
	w.net.Restart(3)
	for range 200 {
		w.net.RunFor(20)
		if node := w.net.Nodes[3]; node.Replica.State().Recovering {
			list = append(list, node.Replica.Clone())
		}
	}
	return list[max(0, len(list)-3):]
}

// A clone and its original, fed alike, do alike, byte for byte; so do two runs of one script.
func TestDeterminism(t *testing.T) {
	for seed := uint64(1); seed <= 8; seed++ {
		one, other := effectsOf(seed, false), effectsOf(seed, true)
		for k := range min(len(one), len(other)) {
			if one[k] != other[k] {
				t.Fatalf("seed %d, effect %d:\n%s\n%s", seed, k, one[k], other[k])
			}
		}
		if len(one) != len(other) || len(one) < 200 {
			t.Fatalf("seed %d: %d and %d effects", seed, len(one), len(other))
		}
	}
}

// effectsOf lists the effects of a walk in words and bytes. With clones each replica is replaced by
// its clone again and again.
func effectsOf(seed uint64, clones bool) []string {
	var list []string
	w := newWalk(seed)
	w.net.Watch = func(i int, e pbft.Effect) { list = append(list, fmt.Sprint(i, " ", describe(e))) }
	for step := range 300 {
		w.step(step)
		if clones && step%7 == 0 {
			for _, node := range w.net.Nodes {
				before := node.Replica
				node.Replica = before.Clone()
				before.Step(pbft.Tick{Now: w.net.Now + 5000}) // what becomes of the original is its own
			}
		}
	}
	for _, node := range w.net.Nodes {
		list = append(list, fmt.Sprint(node.Replica.Fingerprint()))
	}
	return list
}

func describe(e pbft.Effect) string {
	switch e := e.(type) {
	case pbft.Send:
		return fmt.Sprintf("send %d %x", e.To, message.Encode(0, e.Msg))
	case pbft.Persist:
		return fmt.Sprintf("persist %d %x", e.Record.Type, e.Record.Encode())
	case pbft.Execute:
		return fmt.Sprintf("execute %x %v %t %v", message.EncodeBatch(e.Batch), e.Verdicts,
			e.Checkpoint, e.Rows)
	case pbft.Accuse:
		return fmt.Sprintf("accuse %x", message.EncodeEvidence(e.Evidence))
	default:
		return fmt.Sprintf("%T %+v", e, e)
	}
}

// constant lists what never changes, or is derived from what the fingerprint covers.
var constant = map[string]bool{
	"Replica.cfg":             true, // both replicas have it
	"Replica.out":             true, // empty between steps
	"Replica.monitor.tau0":    true,
	"Replica.monitor.tauMax":  true,
	"Replica.entries.ids":     true, // named by the header, and never changed
	"Replica.incomplete.ids":  true,
	"Replica.clients.members": true, // of the configuration
	"Replica.clients.limit":   true,
	"Replica.clients.current": true, // derived from the sessions
	"Replica.clients.held":    true,
}

func field(path string) string { return strings.FieldsFunc(path, isDelimiter)[1] }

func isDelimiter(c rune) bool { return c == '.' || c == '[' || c == ']' }

// walker changes the first value that was not tried often enough in its place.
type walker struct {
	tried map[string]int
	done  string
}

func (w *walker) walk(path string, v reflect.Value) {
	if w.done != "" || constant[withoutIndexes(path)] {
		return
	}
	v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			w.walk(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Array, reflect.Slice:
		for i := range min(v.Len(), 5) {
			w.walk(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if strings.Contains(v.Elem().Type().PkgPath(), "pbft/message") {
			w.change(path, func() { v.Set(altered(v)) })
			return
		}
		w.walk(path, v.Elem())
	case reflect.Map:
		w.walkMap(path, v)
	default:
		w.change(path, func() { bump(v) })
	}
}

// walkMap takes an element out, and looks into the others.
func (w *walker) walkMap(path string, v reflect.Value) {
	for k, key := range v.MapKeys() {
		if k == 3 {
			return
		}
		value := v.MapIndex(key)
		w.change(path, func() { v.SetMapIndex(key, reflect.Value{}) })
		isOwn := value.Kind() == reflect.Pointer && !value.IsNil() &&
			!strings.Contains(value.Elem().Type().PkgPath(), "pbft/message")
		if isOwn {
			w.walk(fmt.Sprintf("%s[%d]", path, k), value.Elem())
		}
		if value.Kind() == reflect.Slice && value.Len() > 0 {
			w.walk(fmt.Sprintf("%s[%d]", path, k), value.Index(0))
		}
	}
}

func (w *walker) change(path string, do func()) {
	place := withoutIndexes(path)
	if w.done != "" || w.tried[place] == 3 {
		return
	}
	w.tried[place]++
	w.done = path
	do()
}

func bump(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		v.SetString(v.String() + "?")
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() ^ 1)
	default:
		panic("what is a " + v.Kind().String() + " doing in a replica?")
	}
}

// altered is another message in place of an immutable one.
func altered(v reflect.Value) reflect.Value {
	other := crypto.Hash("other")
	switch m := v.Interface().(type) {
	case *message.Vote:
		c := *m
		c.Digest = other
		return reflect.ValueOf(&c)
	case *message.Certificate:
		c := *m
		c.Digest = other
		return reflect.ValueOf(&c)
	case *message.CheckpointCertificate:
		c := *m
		c.Digest = other
		return reflect.ValueOf(&c)
	case *message.Checkpoint:
		c := *m
		c.Root = other
		return reflect.ValueOf(&c)
	case *message.ViewChange:
		c := *m
		c.Stmt.Root = other
		return reflect.ValueOf(&c)
	case *message.NewView:
		c := *m
		c.View++
		return reflect.ValueOf(&c)
	case *message.Word:
		c := *m
		c.Key.Seq++
		return reflect.ValueOf(&c)
	case *message.Bundle:
		return reflect.Zero(v.Type())
	default:
		panic(fmt.Sprintf("%T", m))
	}
}

func withoutIndexes(path string) string {
	var out strings.Builder
	depth := 0
	for _, c := range path {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth == 0:
			out.WriteRune(c)
		}
	}
	return out.String()
}
