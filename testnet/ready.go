package testnet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

const (
	askTime   = 2 * time.Second       // for a node to say whether it is ready
	readyTime = 50 * time.Millisecond // between two questions
)

// waitReady waits until every node that never was a traitor is ready.
func (s *supervisor) waitReady(ctx context.Context) error {
	poll := time.NewTicker(readyTime)
	defer poll.Stop()
	for i := range s.size() {
		for reason := ""; ; {
			n, c := s.node(i)
			if n.Traitor() || n.Removed {
				break
			}
			if c == nil {
				return failf("its log may say why: "+filepath.Join(n.Home, nodeLogName),
					"node %d has ended: %s", i, n.Describe())
			}
			var ready bool
			if ready, reason = askReady(ctx, n.Operator, reason); ready {
				break
			}
			select {
			case <-ctx.Done():
				return s.notReady(ctx)
			case <-poll.C:
			}
		}
	}
	return nil
}

// askReady asks a node whether it is ready. An interrupted question leaves the last reason as it
// was.
func askReady(ctx context.Context, operator, last string) (ready bool, reason string) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	text, code, err := get(ctx, operator+"/readyz")
	switch {
	case errors.Is(err, context.Canceled):
		return false, last
	case err != nil:
		return false, "it does not answer: " + err.Error()
	case code == http.StatusOK:
		return true, ""
	}
	return false, strings.TrimSpace(string(text))
}

// notReady says which nodes are not ready, why, and where their logs are. Everybody is asked once
// more, since the time was up while one of them was waited for.
func (s *supervisor) notReady(ctx context.Context) error {
	cause := context.Cause(ctx)
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("wait for the nodes to be ready: %w", cause)
	}
	var problems, logs []string
	for i := range s.size() {
		n, _ := s.node(i)
		if n.Traitor() || n.Removed {
			continue
		}
		if ready, reason := askReady(context.Background(), n.Operator, ""); !ready {
			problems = append(problems, fmt.Sprintf("node %d: %s", i, reason))
			logs = append(logs, filepath.Join(n.Home, nodeLogName))
		}
	}
	if len(problems) == 0 {
		problems = append(problems, "all became ready just now")
	}
	what := strings.Join(problems, "; ")
	return &Error{
		Kind: NotReady, Err: fmt.Errorf("the testnet is not ready (%w): %s", cause, what),
		Advice: "give it more time with --wait, or see the log: " + strings.Join(logs, " "),
	}
}
