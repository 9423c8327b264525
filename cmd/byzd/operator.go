package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/daemon/config"
	"byzd/testnet"
)

// operatorTime bounds one question to a node's operator endpoint.
const operatorTime = 10 * time.Second

// askOperator gets a JSON document from the operator endpoint of the node whose home is named.
func askOperator(c *cli.Context, path string, into any) error {
	data, err := callOperator(c, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return unmarshal(data, into)
}

func unmarshal(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("the node's answer is not what this byzd expects: %w", err)
	}
	return nil
}

// callOperator sends something to that endpoint, and returns what it says.
func callOperator(c *cli.Context, method, path string, body []byte) ([]byte, error) {
	url := c.String("operator")
	if url == "" {
		var err error
		if url, err = operatorOf(config.Home(c.String(flagHome)), c.Command.Name); err != nil {
			return nil, err
		}
	}
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	return putToOperator(c.Context, url, method, path, body)
}

// operatorCall does the same with the node in a home, wherever it listens by now.
func operatorCall(
	ctx context.Context, home config.Home, method, path string, body []byte,
) ([]byte, error) {
	addresses, err := home.ReadAddresses()
	if err != nil {
		return nil, err
	}
	return putToOperator(ctx, addresses.Operator, method, path, body)
}

func putToOperator(
	ctx context.Context, url, method, path string, body []byte,
) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, operatorTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url+path, bytes.NewReader(body))
	if err != nil {
		return nil, usagef("", "operator endpoint %q: %w", url, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, failf(exitNoProgress, "see whether the node runs, and its log",
			"the node does not answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return nil, fmt.Errorf("the node's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, failf(exitNoProgress, "", "the node says: %s", strings.TrimSpace(string(data)))
	}
	return data, nil
}

// operatorOf reads from a node's home where its operator endpoint is, for a command.
func operatorOf(home config.Home, command string) (string, error) {
	if home == "" {
		return "", usagef("name the node with --home DIR or --operator URL", "no node is named")
	}
	if _, err := testnet.ReadState(string(home)); err == nil {
		hint := fmt.Sprintf("of one node: byzd %s --home %s; of all: byzd testnet status --home %s",
			command, filepath.Join(string(home), "node-0"), home)
		return "", usagef(hint, "%s is the home of a testnet, and %s asks one node", home, command)
	}
	a, err := home.ReadAddresses()
	if err != nil {
		return "", failf(exitNoProgress, startHint(home), "the node of %s does not run: %w", home,
			err)
	}
	return a.Operator, nil
}

// startHint says how a node comes to run in a home, which may not be there.
func startHint(home config.Home) string {
	if _, err := os.Stat(string(home)); errors.Is(err, fs.ErrNotExist) {
		return "there is no such directory; a node's home is made with byzd init --home " +
			string(home)
	}
	return "start it with byzd run --home " + string(home)
}

// answerBytesMax bounds what a node may answer.
const answerBytesMax = 16 << 20

func operatorFlag() cli.Flag {
	return &cli.StringFlag{Name: "operator", Usage: "`URL` of the node's operator endpoint"}
}
