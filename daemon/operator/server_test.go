package operator_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"byzd/daemon/operator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a node that stands somewhere.
type node struct {
	ready   error
	control operator.Control
}

func (n node) Ready() error { return n.ready }

func (node) Status(context.Context) (*operator.Status, error) {
	return &operator.Status{Node: 2, Sequence: 7}, nil
}

func (node) Members() []operator.Member { return []operator.Member{{Node: 0, Name: "alice"}} }

func (node) Metrics() []operator.Metric {
	return []operator.Metric{
		{Name: "byzd_sequence", Help: "Last batch.", Value: 7},
		{
			Name: "byzd_drops_total", Help: "Drops.", Counter: true,
			Labels: map[string]string{"reason": "old"}, Value: 3,
		},
	}
}

func (node) Journal(w io.Writer) error {
	_, err := io.WriteString(w, "records")
	return errors.Join(err, errors.New("and no more"))
}

func (n node) Rejuvenate(context.Context) error { return n.ready }

func (n node) Control() operator.Control { return n.control }

// hands remembers what was done.
type hands struct {
	specs []string
	cut   []int
	nodes []string
	quota int64
}

func (h *hands) SetNodes(ids []string) error { h.nodes = ids; return nil }

func (h *hands) SetTraitors(_ context.Context, specs []string) error {
	if len(specs) > 0 && specs[0] == "nonsense" {
		return errors.New("there is no such behaviour")
	}
	h.specs = specs
	return nil
}

func (h *hands) SetConditions(c operator.Conditions) error { h.cut = c.Cut; return nil }
func (h *hands) SetDiskQuota(bytes int64) error            { h.quota = bytes; return nil }

// endpoint is a server with a client.
type endpoint struct {
	t   *testing.T
	url string
}

func serve(t *testing.T, n operator.Node) endpoint {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	s, err := operator.Start("127.0.0.1:0", n, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return endpoint{t, s.URL()}
}

func (e endpoint) call(method, path, host, body string) (int, string) {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), method, e.url+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		data = append(data, "; "+err.Error()...)
	}
	return resp.StatusCode, string(data)
}

func TestReading(t *testing.T) {
	e := serve(t, node{ready: errors.New("it has just started")})
	for _, tt := range []struct {
		path, want string
		code       int
	}{
		{"/livez", "ok", http.StatusOK},
		{"/readyz", "it has just started", http.StatusServiceUnavailable},
		{"/status", `"sequence": 7`, http.StatusOK},
		{"/members", `"name": "alice"`, http.StatusOK},
		{"/metrics", "byzd_sequence 7", http.StatusOK},
		{"/metrics", `byzd_drops_total{reason="old"} 3`, http.StatusOK},
		{"/metrics", "# TYPE byzd_drops_total counter", http.StatusOK},
		{"/nothing", "not found", http.StatusNotFound},
	} {
		code, body := e.call(http.MethodGet, tt.path, "", "")
		if code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("GET %s: %d %q, want %d %q", tt.path, code, body, tt.code, tt.want)
		}
	}
	if code, _ := serve(t, node{}).call(http.MethodGet, "/readyz", "", ""); code != http.StatusOK {
		t.Errorf("a ready node: %d", code)
	}
}

// A journal that cannot be read to its end is not taken for a whole one.
func TestBrokenJournal(t *testing.T) {
	e := serve(t, node{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.url+"/journal", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("the answer ends like a whole one")
	}
}

// On a node that is not a testnet's the endpoint changes nothing.
func TestNoControl(t *testing.T) {
	e := serve(t, node{})
	for _, path := range []string{"/testnet/traitors", "/testnet/conditions", "/testnet/disk"} {
		if code, body := e.call(http.MethodPut, path, "", "{}"); code != http.StatusForbidden {
			t.Errorf("PUT %s: %d %q", path, code, body)
		}
	}
	for _, path := range []string{"/status", "/readyz", "/journal"} {
		if code, _ := e.call(http.MethodPut, path, "", "{}"); code != http.StatusMethodNotAllowed {
			t.Errorf("PUT %s: %d", path, code)
		}
	}
}

func TestControl(t *testing.T) {
	h := &hands{}
	e := serve(t, node{control: h})
	for _, tt := range []struct {
		path, body, want string
		code             int
	}{
		{"/testnet/traitors", `{"specs": ["mute"]}`, "ok", http.StatusOK},
		{"/testnet/traitors", `{"specs": ["nonsense"]}`, "no such behaviour", http.StatusBadRequest},
		{"/testnet/traitors", `{"specks": []}`, "specks", http.StatusBadRequest},
		{"/testnet/traitors", `{"specs": ["` + strings.Repeat("x", 2<<20) + `"]}`, "large", http.StatusBadRequest},
		{"/testnet/conditions", `{"cut": [1, 3]}`, "ok", http.StatusOK},
		{"/testnet/conditions", `{"weather": [{"to": 1, "lost": 1}]}`, "lost", http.StatusBadRequest},
		{"/testnet/conditions", `[]`, "body", http.StatusBadRequest},
		{"/testnet/disk", `{"quota": 5}`, "ok", http.StatusOK},
	} {
		code, body := e.call(http.MethodPut, tt.path, "", tt.body)
		if code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("PUT %s: %d %.200q, want %d %q", tt.path, code, body, tt.code, tt.want)
		}
	}
	if len(h.specs) != 1 || len(h.cut) != 2 || h.quota != 5 {
		t.Errorf("what arrived: %+v", h)
	}
}

// A web page that reaches the endpoint through a name of its own is turned away.
func TestForeignHost(t *testing.T) {
	e := serve(t, node{})
	for host, want := range map[string]int{
		"evil.example": http.StatusForbidden, "10.0.0.1:80": http.StatusForbidden,
		"localhost:99": http.StatusOK, "127.0.0.1": http.StatusOK, "[::1]:80": http.StatusOK,
	} {
		if code, _ := e.call(http.MethodGet, "/livez", host, ""); code != want {
			t.Errorf("host %s: %d, want %d", host, code, want)
		}
	}
}

func (node) Epoch(context.Context) (*operator.Epoch, error) {
	return &operator.Epoch{Epoch: 3, Members: []operator.EpochMember{{Name: "alice"}}}, nil
}

func (node) Epochs() []byte { return []byte("epochs") }

func (node) Change(_ context.Context, data []byte) error {
	if string(data) != "change" {
		return errors.New("no change")
	}
	return nil
}
