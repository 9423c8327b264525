package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"byzd/crypto"
	"byzd/daemon"
	"byzd/daemon/operator"
)

// until waits for a condition and logs how long that took.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	began := time.Now()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		if time.Since(began) > patience {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-ticker.C
	}
	t.Logf("%s: %v", what, time.Since(began).Round(time.Millisecond))
}

func (c *cluster) get(i int, path string) (int, string) {
	c.t.Helper()
	return c.call(i, http.MethodGet, path, "")
}

func (c *cluster) call(i int, method, path, body string) (int, string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url := c.nodes[i].where.Operator + path
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewBufferString(body))
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func (c *cluster) status(i int) operator.Status {
	c.t.Helper()
	code, body := c.get(i, "/status")
	if code != http.StatusOK {
		c.t.Fatalf("status of node %d: %d %s", i, code, body)
	}
	var st operator.Status
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		c.t.Fatal(err)
	}
	return st
}

func (c *cluster) ready(i int) {
	c.t.Helper()
	until(c.t, fmt.Sprintf("node %d ready", i), func() bool {
		code, _ := c.get(i, "/readyz")
		return code == http.StatusOK
	})
}

// describe says where every node stands, for failures.
func (c *cluster) describe() string {
	var b strings.Builder
	for i, r := range c.nodes {
		if r != nil {
			_, body := c.get(i, "/status")
			b.WriteString(body)
		}
	}
	return b.String()
}

func (c *cluster) put(i int, key string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cli := c.client(i)
	defer cli.Close()
	began := time.Now()
	for {
		_, err := cli.Put(ctx, key, "v")
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			c.t.Fatalf("put through node %d: %v; %s", i, err, c.describe())
		}
	}
	c.t.Logf("put %s through node %d: %v", key, i, time.Since(began).Round(time.Millisecond))
}

// Each scheme agrees at four and seven nodes, and goes on when the primary is gone.
func TestSchemesThroughViewChange(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		for _, n := range []int{4, 7} {
			t.Run(fmt.Sprintf("%s/%d", scheme, n), func(t *testing.T) {
				c := newCluster(t, n, scheme)
				defer c.stopAll()
				for i := range n {
					c.start(i)
				}
				c.put(1, "before")
				c.stop(0)
				c.put(1, "after")
				if v := c.status(1).View; v == 0 {
					t.Error("the view did not change")
				}
				c.contact = c.nodes[1].where.Gossip
				c.start(0)
				c.ready(0)
				c.put(0, "again")
			})
		}
	}
}

// Small and odd clusters agree, too.
func TestSizes(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 10} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := newCluster(t, n, crypto.SchemeEd25519)
			defer c.stopAll()
			for i := range n {
				c.start(i)
			}
			c.put(n-1, "k")
			c.ready(0)
		})
	}
}

// A full disk stops a node's voting, shows in /readyz, and ends by itself when there is room.
func TestDiskFull(t *testing.T) {
	c := newCluster(t, 4, crypto.SchemeEd25519)
	defer c.stopAll()
	for i := range 4 {
		c.start(i)
	}
	c.put(1, "before")
	c.ready(3)
	if code, body := c.call(3, http.MethodPut, "/testnet/disk", `{"quota": 1}`); code != http.StatusOK {
		t.Fatalf("quota: %d %s", code, body)
	}
	large := strings.Repeat("x", 500<<10)
	cli := c.client(1)
	defer cli.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	until(t, "the disk is full and /readyz says so", func() bool {
		if _, err := cli.Put(ctx, "large", large); err != nil {
			t.Fatalf("three of four do not go on: %v", err)
		}
		code, body := c.get(3, "/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "disk is full")
	})
	at := c.status(3).Sequence
	c.put(1, "meanwhile")
	if now := c.status(3).Sequence; now != at {
		t.Errorf("a node with a full disk went on from %d to %d", at, now)
	}
	if code, body := c.call(3, http.MethodPut, "/testnet/disk", `{"quota": 0}`); code != http.StatusOK {
		t.Fatalf("quota: %d %s", code, body)
	}
	c.ready(3)
	c.put(3, "after")
	until(t, "it has caught up", func() bool {
		return c.status(3).Sequence >= c.status(1).Sequence
	})
}

// Whoever cannot be a node is told why, and what to do.
func TestRefusals(t *testing.T) {
	c := newCluster(t, 4, crypto.SchemeEd25519)
	defer c.stopAll()
	used := c.start(0)
	base := func() daemon.Options {
		return daemon.Options{
			Home: t.TempDir(), Data: t.TempDir(), Proofs: t.TempDir(), Cluster: c.config,
			NetworkKey: crypto.NewNetworkKey(c.seeds[1]), SigningSeed: c.seeds[1],
			Listen: "127.0.0.1:0", Gossip: "127.0.0.1:0", Client: "127.0.0.1:0",
			Operator: "127.0.0.1:0", Log: quiet(),
			Started: func(daemon.Addresses) error { return errors.New("it started") },
		}
	}
	other := newCluster(t, 4, crypto.SchemeEd25519)
	for _, tt := range []struct {
		name, want string
		change     func(o *daemon.Options)
	}{
		{"a stranger's key", "does not stand in the genesis", func(o *daemon.Options) {
			o.NetworkKey = crypto.NewNetworkKey([32]byte{99})
		}},
		{"another signing key", "is not the one that the genesis has", func(o *daemon.Options) {
			o.SigningSeed = other.seeds[2]
		}},
		{"an occupied member port", "cannot listen for members", func(o *daemon.Options) {
			o.Listen = used.where.Listen
		}},
		{"an occupied gossip port", "gossip", func(o *daemon.Options) { o.Gossip = used.where.Gossip }},
		{"an occupied client port", "cannot listen for clients", func(o *daemon.Options) {
			o.Client = used.where.Client
		}},
		{"an occupied operator port", "operator endpoint", func(o *daemon.Options) {
			o.Operator = strings.TrimPrefix(used.where.Operator, "http://")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := base()
			tt.change(&o)
			err := daemon.Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			var advice interface{ Hint() string }
			if !errors.As(err, &advice) || advice.Hint() == "" {
				t.Errorf("no advice with %v", err)
			}
		})
	}
}

// A node that is started with cut links reaches nobody from its first breath, until it is told
// otherwise.
func TestStartsCutOff(t *testing.T) {
	c := newCluster(t, 4, crypto.SchemeEd25519)
	defer c.stopAll()
	for i := range 3 {
		c.start(i)
	}
	for i := range 3 {
		c.ready(i)
	}
	c.start(3, func(o *daemon.Options) { o.Cut = []int{0, 1, 2} })
	// One that starts later and is not cut off shows how long it takes to be heard.
	c.stop(2)
	c.start(2)
	c.ready(2)
	for k := range 5 {
		c.put(0, fmt.Sprintf("k%d", k))
	}
	if st := c.status(3); st.Ready {
		t.Errorf("nobody hears it, and it is ready: %+v", st)
	}
	for i := range 3 {
		for _, p := range c.status(i).Peers {
			if p.Node == 3 && p.LastVote.Sequence > 0 {
				t.Errorf("node %d has heard it vote: %+v", i, p)
			}
		}
	}
	if code, body := c.call(3, http.MethodPut, "/testnet/conditions", `{"cut":[]}`); code != 200 {
		t.Fatalf("heal: %d %s", code, body)
	}
	c.ready(3)
}

// Frames and gossip get lost, are late, overtake each other and come twice, on every link: requests
// are acknowledged all the same, and the counters say that it happened. What no network does is
// refused.
func TestBadWeather(t *testing.T) {
	c := newCluster(t, 4, crypto.SchemeEd25519)
	defer c.stopAll()
	for i := range 4 {
		c.start(i)
	}
	for i := range 4 {
		c.ready(i)
	}
	for _, body := range []string{
		`{"weather":[{"to":4,"loss":0.1}]}`, `{"weather":[{"to":0,"loss":1.5}]}`,
		`{"weather":[{"to":0,"delay_ms":9223372036854775807}]}`,
		`{"weather":[{"to":0,"delay_ms":5,"jitter_ms":6}]}`,
	} {
		if code, text := c.call(1, http.MethodPut, "/testnet/conditions", body); code != 400 {
			t.Errorf("%s: %d %s", body, code, text)
		}
	}
	for i := range 4 {
		var links []string
		for k := range 4 {
			if k != i {
				links = append(links, fmt.Sprintf(
					`{"to":%d,"loss":0.1,"duplicate":0.2,"delay_ms":10,"jitter_ms":10}`, k))
			}
		}
		body := fmt.Sprintf(`{"weather":[%s]}`, strings.Join(links, ","))
		if code, text := c.call(i, http.MethodPut, "/testnet/conditions", body); code != 200 {
			t.Fatalf("node %d: %d %s", i, code, text)
		}
	}
	for k := range 20 {
		c.put(k%4, fmt.Sprintf("k%d", k))
	}
	_, metrics := c.get(0, "/metrics")
	for _, what := range []string{"drop", "delay", "duplicate"} {
		if strings.Contains(metrics, fmt.Sprintf("{what=\"conditions_%s\"} 0\n", what)) ||
			!strings.Contains(metrics, "conditions_"+what) {
			t.Errorf("conditions_%s has not risen", what)
		}
	}
	for i := range 4 {
		c.call(i, http.MethodPut, "/testnet/conditions", `{}`)
	}
	for i := range 4 {
		c.ready(i)
	}
}
