package testnet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// The paths of the control interface. Each takes a POST with an order in JSON.
const (
	pathKill    = "/kill"
	pathPause   = "/pause"
	pathResume  = "/resume"
	pathRestart = "/restart"
	pathStop    = "/stop"
	pathDisk    = "/disk"
	pathCuts    = "/cuts"
	pathWeather = "/weather"
	pathTraitor = "/traitor"
	pathAdd     = "/add"
	pathRemoved = "/removed"
	pathDown    = "/down"
)

// order is the body of a request. Each path reads the fields that it needs.
type order struct {
	Nodes   []int    `json:"nodes,omitempty"`
	Cuts    [][]int  `json:"cuts,omitempty"`
	Specs   []string `json:"specs,omitempty"`
	BeyondF bool     `json:"beyond_f,omitempty"`
	Quota   int64    `json:"quota,omitempty"`
	Count   int      `json:"count,omitempty"`
	Now     bool     `json:"now,omitempty"`

	Weather [][]Weather `json:"weather,omitempty"`
}

const maxOrderBytes = 1 << 20

// serve opens the control interface on loopback and writes where it is.
func (s *supervisor) serve(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open the testnet's control interface: %w", err)
	}
	s.server = &http.Server{Handler: s.routes(), ReadHeaderTimeout: pushTime}
	me, _, _ := inspect(os.Getpid())
	err = s.change(func(st *State) {
		st.Supervisor = Supervisor{
			PID: os.Getpid(), URL: "http://" + l.Addr().String(), Started: me,
		}
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	go func() {
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.printf("error: the control interface: %v", err)
		}
	}()
	return nil
}

func (s *supervisor) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, do func(context.Context, order) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			answer(w, s.obey(w, r, do))
		})
	}
	handle(pathKill, func(ctx context.Context, o order) error {
		if o.Now {
			return s.killNow(o.Nodes)
		}
		return s.kill(ctx, o.Nodes)
	})
	handle(pathPause, func(ctx context.Context, o order) error { return s.pause(ctx, o.Nodes) })
	handle(pathResume, func(ctx context.Context, o order) error { return s.resume(ctx, o.Nodes) })
	handle(pathRestart, func(ctx context.Context, o order) error { return s.restart(ctx, o.Nodes) })
	handle(pathStop, func(ctx context.Context, o order) error { return s.terminate(ctx, o.Nodes) })
	handle(pathDisk, func(ctx context.Context, o order) error {
		return s.setQuota(ctx, o.Nodes, o.Quota)
	})
	handle(pathCuts, func(ctx context.Context, o order) error { return s.setCuts(ctx, o.Cuts) })
	handle(pathWeather, func(ctx context.Context, o order) error {
		return s.setWeather(ctx, o.Weather)
	})
	handle(pathAdd, func(ctx context.Context, o order) error { return s.addNodes(ctx, o.Count) })
	handle(pathRemoved, func(_ context.Context, o order) error { return s.removed(o.Nodes) })
	handle(pathTraitor, func(ctx context.Context, o order) error {
		if len(o.Nodes) != 1 || o.Nodes[0] < 0 || o.Nodes[0] >= s.size() {
			return usagef("", "the lies of nodes %v cannot be set", o.Nodes)
		}
		return s.setTraitor(ctx, o.Nodes[0], o.Specs, o.BeyondF)
	})
	mux.HandleFunc("POST "+pathDown, func(w http.ResponseWriter, r *http.Request) {
		s.stop()
		select {
		case <-s.stopped:
			answer(w, nil)
		case <-r.Context().Done():
		}
	})
	return loopbackOnly(mux)
}

// obey reads an order and carries it out, unless the supervisor stops first.
func (s *supervisor) obey(
	w http.ResponseWriter, r *http.Request, do func(context.Context, order) error,
) error {
	var o order
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrderBytes))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return usagef("is this the byzd that started the testnet?", "order: %w", err)
	}
	ctx, cancel := s.until(r.Context())
	defer cancel()
	err := do(ctx, o)
	if err != nil {
		s.log.printf("%s: %v", r.URL.Path, err)
	}
	return err
}

func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err == nil {
		_, _ = w.Write([]byte("{}\n"))
		return
	}
	w.WriteHeader(http.StatusConflict)
	_ = json.NewEncoder(w).Encode(toWire(err))
}

// loopbackOnly keeps web pages from giving orders: those that are open in a browser on this machine
// reach loopback too, but only under a name of theirs, or with a form's content type.
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		ip := net.ParseIP(strings.Trim(host, "[]"))
		if err != nil || ip == nil || !ip.IsLoopback() ||
			r.Header.Get("Content-Type") != "application/json" {
			http.Error(w, "orders come from byzd on this machine", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// notFrozen refuses to give orders to a supervisor that stands still: it would take them, and carry
// them out whenever it goes on.
func notFrozen(sup Supervisor, home string) error {
	if _, still, _ := inspect(sup.PID); !still {
		return nil
	}
	return failf(fmt.Sprintf("let it go on with: kill -CONT %d; or end the testnet with: "+
		"byzd testnet down --home %s", sup.PID, home),
		"the testnet's supervisor stands still: its process %d was stopped by a signal", sup.PID)
}

func silentSupervisor(err error) error {
	return failf("see what its process does, and supervisor.log in the testnet's home; "+
		"byzd testnet down ends it if it does not answer",
		"the testnet's supervisor does not answer in time: %w", err)
}

// call gives the supervisor at url an order and returns what became of it.
func call(ctx context.Context, url string, o order, limit time.Duration) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	text, code, err := fetch(req)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return silentSupervisor(err)
	case err != nil:
		return fmt.Errorf("ask the testnet's supervisor: %w", err)
	case code == http.StatusOK:
		return nil
	}
	var w wireError
	if err := json.Unmarshal(text, &w); err != nil || w.Error == "" {
		return failf("", "the testnet's supervisor answers %d: %s", code,
			strings.TrimSpace(string(text)))
	}
	return w.err()
}
