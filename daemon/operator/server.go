package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"
)

// Node is what the endpoint needs of its node. All methods may be called from any goroutine.
type Node interface {
	// Ready returns nil if the node takes part in agreement, and the reason if not.
	Ready() error
	// Status tells where the node stands.
	Status(ctx context.Context) (*Status, error)
	// Members tells who is in the cluster.
	Members() []Member
	// Metrics returns what the node counted.
	Metrics() []Metric
	// Journal writes every record of the journal.
	Journal(w io.Writer) error
	// Epoch tells who the members are, and what change of them is announced.
	Epoch(ctx context.Context) (*Epoch, error)
	// Epochs returns the proofs that lead from the genesis to today.
	Epochs() []byte
	// Change orders a change of the members, as [message.EncodeReconfiguration] writes it.
	Change(ctx context.Context, data []byte) error
	// Rejuvenate ends the node so that it begins anew, unless the others could not go on meanwhile.
	Rejuvenate(ctx context.Context) error
	// Control returns the testnet's hands on this node, or nil if it is not a testnet's.
	Control() Control
}

// Control changes a testnet's node.
type Control interface {
	// SetNodes says which nodes numbers mean from now on, in lies and conditions: the peer IDs by
	// their numbers. Without any they are the members' of the epoch.
	SetNodes(ids []string) error
	// SetTraitors makes the node lie as the specifications say; none makes it honest again.
	SetTraitors(ctx context.Context, specs []string) error
	// SetConditions cuts the node's links, and makes them bad.
	SetConditions(c Conditions) error
	// SetDiskQuota changes how many bytes the journal may take; 0 means no limit.
	SetDiskQuota(bytes int64) error
}

// Conditions are a testnet node's links.
type Conditions struct {
	// Cut lists the nodes that nothing from this one reaches.
	Cut []int `json:"cut"`
	// Weather is what the ways to some nodes are like; the others are good.
	Weather []Weather `json:"weather,omitempty"`
}

// Weather is what the way to one node does to what this one sends. See [conditions.Weather].
type Weather struct {
	To        int     `json:"to"`
	Loss      float64 `json:"loss,omitempty"`
	Duplicate float64 `json:"duplicate,omitempty"`
	DelayMS   int64   `json:"delay_ms,omitempty"`
	JitterMS  int64   `json:"jitter_ms,omitempty"`
}

// Server is the endpoint.
type Server struct {
	http  *http.Server
	addr  string
	done  chan error
	conns sync.WaitGroup
}

const (
	headerTime   = 5 * time.Second
	statusTime   = 5 * time.Second
	bodyBytesMax = 1 << 20
)

// Start serves the node at a loopback address, host:port; port 0 takes a free one.
func Start(addr string, node Node, log logrus.FieldLogger) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("operator endpoint: %w", err)
	}
	s := &Server{addr: l.Addr().String(), done: make(chan error, 1)}
	s.http = &http.Server{
		Handler: loopbackOnly(routes(node)), ReadHeaderTimeout: headerTime,
		ErrorLog: logWriter{log}.logger(),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				s.conns.Done()
			default:
			}
		},
	}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// URL is where the endpoint is.
func (s *Server) URL() string { return "http://" + s.addr }

// Close ends every request and returns when the endpoint's goroutines have ended.
func (s *Server) Close() error {
	err := s.http.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.conns.Wait()
	return err
}

func routes(node Node) http.Handler {
	mux := http.NewServeMux()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{node})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := node.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), statusTime)
		defer cancel()
		st, err := node.Status(ctx)
		if err != nil {
			http.Error(w, "the node does not answer: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		writeJSON(w, st)
	})
	mux.HandleFunc("GET /members", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, node.Members())
	})
	mux.HandleFunc("GET /journal", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		if err := node.Journal(w); err != nil {
			panic(http.ErrAbortHandler) // the client must see that it did not get everything
		}
	})
	epochRoutes(mux, node)
	// A page in a browser cannot send a PUT to another origin without being allowed to.
	mux.HandleFunc("PUT /rejuvenation", func(w http.ResponseWriter, r *http.Request) {
		if err := node.Rejuvenate(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	controls(mux, node)
	return mux
}

// controls are the testnet's hands on a node.
func controls(mux *http.ServeMux, node Node) {
	mux.HandleFunc("PUT /testnet/traitors", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Specs []string `json:"specs"`
			Nodes []string `json:"nodes"`
		}
		control(w, r, node, &body, func(c Control) error {
			if err := number(c, body.Nodes); err != nil {
				return err
			}
			return c.SetTraitors(r.Context(), body.Specs)
		})
	})
	mux.HandleFunc("PUT /testnet/conditions", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Conditions

			Nodes []string `json:"nodes"`
		}
		control(w, r, node, &body, func(c Control) error {
			if err := number(c, body.Nodes); err != nil {
				return err
			}
			return c.SetConditions(body.Conditions)
		})
	})
	mux.HandleFunc("PUT /testnet/disk", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Quota int64 `json:"quota"`
		}
		control(w, r, node, &body, func(c Control) error { return c.SetDiskQuota(body.Quota) })
	})
}

// control reads a strict JSON body and applies it, on a testnet.
func control(
	w http.ResponseWriter, r *http.Request, node Node, body any, apply func(Control) error,
) {
	c := node.Control()
	if c == nil {
		http.Error(w, "this node is not a testnet's: it cannot be changed", http.StatusForbidden)
		return
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	d.DisallowUnknownFields()
	if err := d.Decode(body); err != nil {
		http.Error(w, "body: "+err.Error(), http.StatusBadRequest)
		return
	}
	if err := apply(c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// number says which nodes the numbers in a body mean, if it says so itself; else it stays as it
// was.
func number(c Control, nodes []string) error {
	if nodes == nil {
		return nil
	}
	return c.SetNodes(nodes)
}

func writeJSON(w http.ResponseWriter, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(data, '\n'))
}

// loopbackOnly refuses requests that were made for another name than this machine's own.
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		ip := net.ParseIP(host)
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			text := fmt.Sprintf("this endpoint is for loopback, not for %q", host)
			http.Error(w, text, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
