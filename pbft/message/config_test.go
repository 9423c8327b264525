package message_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// A parameter out of range is refused by its name, and both ends of each range are legal.
func TestParams(t *testing.T) {
	if err := message.DefaultParams().Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	type params = message.Params
	for name, c := range map[string]struct {
		set      func(*params, int64)
		low, top int64
	}{
		"max-batch-requests": {func(p *params, v int64) { p.MaxBatchRequests = int(v) }, 1, 4096},
		"max-batch-bytes":    {func(p *params, v int64) { p.MaxBatchBytes = int(v) }, 1 << 10, 8 << 20},
		"max-bundle-bytes":   {func(p *params, v int64) { p.MaxBundleBytes = int(v) }, 1 << 10, 8 << 20},
		"in-flight":          {func(p *params, v int64) { p.InFlight = int(v) }, 1, 32},
		"checkpoint-every":   {func(p *params, v int64) { p.CheckpointEvery = uint64(v) }, 1, 256},
		"window":             {func(p *params, v int64) { p.Window = uint64(v) }, 256, message.MaxDecided},
		"rotate-every":       {func(p *params, v int64) { p.RotateEvery = uint64(v) }, 0, 1 << 40},
		"view-timeout":       {func(p *params, v int64) { p.ViewTimeout = v }, 10, 30000},
		"max-view-timeout":   {func(p *params, v int64) { p.MaxViewTimeout = v }, 1000, 1 << 24},
		"max-client-rows":    {func(p *params, v int64) { p.MaxClientRows = int(v) }, 128, 1 << 20},
	} {
		for _, v := range []int64{c.low, c.top, c.low - 1, c.top + 1, -1 << 62} {
			p := message.DefaultParams()
			c.set(&p, v)
			err := p.Validate()
			if legal := v >= c.low && v <= c.top; (err == nil) != legal {
				t.Errorf("%s = %d: %v", name, v, err)
			}
			// Two parameters bound each other; either may be named.
			related := strings.ReplaceAll(strings.ReplaceAll(name,
				"checkpoint-every", "window"), "max-view-timeout", "view-timeout")
			if err != nil && !strings.Contains(err.Error(), related) &&
				!strings.Contains(err.Error(), name) {
				t.Errorf("%s = %d: the error does not name it: %v", name, v, err)
			}
		}
	}
}

func TestNewConfig(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	c := w.cfg
	for _, n := range []int{0, quorum.MaxReplicas + 1} {
		_, err := message.NewConfig(c.Cluster, c.Scheme, make([]message.Member, n), c.Params)
		if err == nil {
			t.Errorf("a cluster of %d replicas", n)
		}
	}
	bad := c.Params
	bad.InFlight = 0
	if _, err := message.NewConfig(c.Cluster, c.Scheme, c.Members, bad); err == nil {
		t.Error("a cluster with nothing in flight")
	}
	if c.Base.Seq != 0 || c.Base.Digest == w.inCluster("x").cfg.Cluster || c.Base.Digest.IsZero() {
		t.Errorf("the base is %+v", c.Base)
	}
	for i := range c.Members {
		if got := c.Member(c.Members[i].Node); got != i {
			t.Errorf("member %d is number %d", i, got)
		}
	}
	if got := c.Member(clientKey(1).ID()); got != -1 {
		t.Errorf("a stranger is number %d", got)
	}
	keys := c.Keys(quorum.Set{}.Add(3).Add(1))
	if len(keys) != 2 || !keys[0].Equal(c.Members[1].Key) || !keys[1].Equal(c.Members[3].Key) {
		t.Error("keys of a set are not in ascending order")
	}
	if !c.BaseCertificate().IsBase(c) || !c.BaseCheckpoint().IsBase(c) {
		t.Error("the base does not know itself")
	}
	if c.BaseCertificate().IsBase(w.inCluster("x").cfg) != (c.Base == w.inCluster("x").cfg.Base) {
		t.Error("the base of another cluster")
	}
}

// A bundle of the least legal size holds one operation of some size under every scheme, and the
// largest operation that the configuration promises fits exactly, signed by its client.
func TestBundleHoldsAnOperation(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		p := message.DefaultParams()
		p.MaxBundleBytes = 1 << 10
		c := newWorldWith(t, 4, scheme, message.DefaultParams()).cfg
		_, err := message.NewConfig(c.Cluster, c.Scheme, c.Members, p)
		if (err != nil) != (scheme == crypto.SchemeHybrid) {
			t.Errorf("%s: bundles of 1 KiB: %v", scheme, err)
		}
		if err != nil {
			if _, err := fmt.Sscanf(err.Error()[strings.LastIndex(err.Error(), " "):], " %d",
				&p.MaxBundleBytes); err != nil {
				t.Fatalf("%s: no least value in the error: %v", scheme, err)
			}
			p.MaxBundleBytes--
			if _, err = message.NewConfig(c.Cluster, c.Scheme, c.Members, p); err == nil {
				t.Errorf("%s: less than the least is accepted", scheme)
			}
			p.MaxBundleBytes++
		}
		w := newWorldWith(t, 4, scheme, p)
		for extra, want := range []error{nil, message.RefusedTooLarge} {
			op := make([]byte, w.cfg.MaxOp()+extra)
			b := w.bundle(1, 0, w.signed(1, message.FirstClientSession, 1, string(op)))
			_, err := message.Verify(w.cfg, newCache(), 1, 0, &message.Submission{Bundle: b})
			if !errors.Is(err, want) || len(op) < 512 {
				t.Errorf("%s: %d bytes: %v, want %v", scheme, len(op), err, want)
			}
		}
	}
	if got := newWorld(t, 4, crypto.SchemeEd25519).cfg.MaxOp(); got != message.MaxOpBytes {
		t.Errorf("with the defaults an operation may have %d bytes", got)
	}
}

// Replica (v + e) mod n is primary of view v in epoch e, also where the sum would overflow.
func TestPrimary(t *testing.T) {
	for _, n := range []int{1, 4, 7} {
		w := newWorld(t, n, crypto.SchemeEd25519)
		for _, epoch := range []uint64{0, 1, 5, message.MaxNumber - 1, 1<<64 - 1} {
			cfg := w.inEpoch(epoch).cfg
			start := int(epoch % uint64(n))
			for v := range uint64(2 * n) {
				if got := cfg.Primary(v); got != (start+int(v))%n {
					t.Errorf("n=%d: primary of view %d in epoch %d is %d", n, v, epoch, got)
				}
			}
			if got := cfg.Primary(1<<64 - 1); got < 0 || got >= n {
				t.Errorf("primary of the last view is %d", got)
			}
		}
	}
}

// Certificates are ranked by view, then by sequence number.
func TestRank(t *testing.T) {
	ranks := []message.Rank{
		{View: 0, Seq: 0},
		{View: 0, Seq: 9},
		{View: 1, Seq: 0},
		{View: 1, Seq: 8},
		{View: 2, Seq: 1},
	}
	for i, a := range ranks {
		for j, b := range ranks {
			if a.Less(b) != (i < j) {
				t.Errorf("%v < %v is %t", a, b, a.Less(b))
			}
		}
	}
}

// Names are distinct: they label counters, traces and traitors' specifications.
func TestNames(t *testing.T) {
	var names, reasons []string
	for typ := message.TypePrePrepare; typ <= message.TypeStatePart; typ++ {
		names = append(names, typ.String())
	}
	for r := message.ReasonRequestAge; r <= message.ReasonRecovery; r++ {
		reasons = append(reasons, r.String())
	}
	for _, list := range [][]string{names, reasons} {
		slices.Sort(list)
		if len(slices.Compact(slices.Clone(list))) != len(list) || list[0] == "" {
			t.Errorf("names are not distinct: %v", list)
		}
	}
	if got := message.Reason(99).String(); got != "unknown" {
		t.Errorf("reason 99 is called %q", got)
	}
}

// A batch has one encoding, and its digest is that of its header alone.
func TestBatchRoundTrip(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	b := w.batch(2, w.cfg.Base, w.bundle(1, 5, plain("a", "b")...), w.bundle(3, 0, plain("")...))
	data := message.EncodeBatch(b)
	back, err := message.DecodeBatch(data)
	if err != nil {
		t.Fatal(err)
	}
	if refOf(back) != refOf(b) || string(message.EncodeBatch(back)) != string(data) {
		t.Error("it came back as another one")
	}
	if why := back.CheckBody(w.cfg); why != "" {
		t.Errorf("its body is refused: %v", why)
	}
	for i := range data {
		if _, err := message.DecodeBatch(data[:i]); err == nil {
			t.Fatalf("the first %d bytes decode", i)
		}
	}
	digests := map[crypto.Digest]int{}
	for i := range message.HeaderSize {
		changed, err := message.DecodeBatch(flipped(data, i))
		if err != nil {
			continue
		}
		d := changed.Header.Digest()
		if other, seen := digests[d]; seen || d == b.Header.Digest() {
			t.Errorf("byte %d of the header does not count (nor %d)", i, other)
		}
		digests[d] = i
	}
}

// A client's request has one encoding, and its signature covers all of it.
func TestClientRequest(t *testing.T) {
	w := newWorld(t, 4, crypto.SchemeEd25519)
	s := w.signed(1, 70000, 4, "op").Signed
	data := message.EncodeClientRequest(s)
	back, err := message.DecodeClientRequest(data)
	if err != nil {
		t.Fatal(err)
	}
	if string(message.EncodeClientRequest(back)) != string(data) || back.IsRegister() {
		t.Error("it came back as another one")
	}
	if !w.signed(1, 0, 1, "").Signed.IsRegister() {
		t.Error("session 0 does not ask for a session")
	}
	domain := w.cfg.RequestDomain()
	for i := range data {
		c, err := message.DecodeClientRequest(flipped(data, i))
		if err == nil && c.Client.Verify(c.SignBytes(domain), c.Sig) {
			t.Errorf("byte %d flipped: the signature holds", i)
		}
		if _, err := message.DecodeClientRequest(data[:i]); err == nil {
			t.Fatalf("the first %d bytes decode", i)
		}
	}
	if !back.Client.Verify(back.SignBytes(w.inEpoch(9).cfg.RequestDomain()), back.Sig) {
		t.Error("a request does not survive its epoch")
	}
}
