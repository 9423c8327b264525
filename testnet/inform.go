package testnet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// inform tells node i what has changed of its cuts and lies since it was started with them. It may
// be called for every node at any time; those that do not listen are told when they do, and those
// that are paused when they are resumed.
func (s *supervisor) inform(ctx context.Context, i int) error {
	if err := s.take(ctx, s.tell[i]); err != nil {
		return err
	}
	defer s.tell[i].give()
	return s.informHeld(ctx, i)
}

// informHeld is inform for whoever holds the node's tell already. What it sends is read only now:
// whoever comes last tells the latest.
func (s *supervisor) informHeld(ctx context.Context, i int) error {
	s.mu.Lock()
	n, live := s.state.Nodes[i], s.runtime[i]
	specs, cut, weather := s.specs(i), slices.Clone(n.Cut), slices.Clone(n.Weather)
	nodes := s.identities()
	s.mu.Unlock()
	if !live.listening || n.Process != Running {
		return nil
	}
	if !slices.Equal(cut, live.cut) || !slices.Equal(weather, live.weather) {
		err := put(ctx, n.Operator+"/testnet/conditions",
			map[string]any{"cut": cut, "weather": weather, "nodes": nodes})
		if err != nil {
			return fmt.Errorf("tell node %d what its links are like: %w", i, err)
		}
	}
	if !slices.Equal(specs, live.told) {
		s.countLies(ctx, i) // for the last time
		err := put(ctx, n.Operator+"/testnet/traitors",
			map[string]any{"specs": specs, "nodes": nodes})
		if err != nil {
			return fmt.Errorf("tell node %d its lies: %w", i, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.children[i] != nil && s.children[i].started == n.Started {
		if !slices.Equal(specs, s.runtime[i].told) {
			s.runtime[i].armed++
			s.runtime[i].fired = nil
		}
		s.runtime[i].told, s.runtime[i].cut, s.runtime[i].weather = specs, cut, weather
	}
	return nil
}

// informAll tells all nodes at once.
func (s *supervisor) informAll(ctx context.Context) error {
	errs := make([]error, s.size())
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = s.inform(ctx, i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// refusal is what a node answers to something that it does not do.
type refusal struct {
	code int
	text string
}

func (e *refusal) Error() string {
	return fmt.Sprintf("it refuses: %s (HTTP %d)", e.text, e.code)
}

// maxAnswerBytes bounds what is read of a node's answer: the node may be a traitor.
const maxAnswerBytes = 4 << 20

// put sends a JSON body to a node. The error is a *refusal if the node answered and did not do it.
func put(ctx context.Context, url string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pushTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	answer, code, err := fetch(req)
	if err != nil {
		return err
	}
	if code/100 != 2 {
		return &refusal{code, strings.TrimSpace(string(answer))}
	}
	return nil
}

// get asks a node.
func get(ctx context.Context, url string) (answer []byte, code int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, 0, err
	}
	return fetch(req)
}

func fetch(req *http.Request) (answer []byte, code int, err error) {
	// A connection of its own: kept ones would outlive nodes, and what they leave behind.
	req.Close = true
	resp, err := local().Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	return answer, resp.StatusCode, err
}

// local is a client for loopback: no proxy from the environment stands between.
func local() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}
