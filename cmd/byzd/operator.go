package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/daemon/config"
)

// operatorTime bounds one question to a node's operator endpoint.
const operatorTime = 10 * time.Second

// askOperator gets a JSON document from the operator endpoint of the node whose home is named.
func askOperator(c *cli.Context, path string, into any) error {
	home := config.Home(c.String(flagHome))
	url := c.String("operator")
	if url == "" {
		if home == "" {
			return usagef("name the node with --home DIR or --operator URL", "no node is named")
		}
		a, err := home.ReadAddresses()
		if err != nil {
			return failf(exitNoProgress, "start it with byzd run --home "+string(home),
				"the node of %s does not run: %w", home, err)
		}
		url = a.Operator
	}
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	ctx, cancel := context.WithTimeout(c.Context, operatorTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, http.NoBody)
	if err != nil {
		return usagef("", "operator endpoint %q: %w", url, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return failf(exitNoProgress, "see whether the node runs, and its log",
			"the node does not answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return fmt.Errorf("the node's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return failf(exitNoProgress, "", "the node says: %s", strings.TrimSpace(string(data)))
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("the node's answer is not what this byzd expects: %w", err)
	}
	return nil
}

// answerBytesMax bounds what a node may answer.
const answerBytesMax = 16 << 20

func operatorFlag() cli.Flag {
	return &cli.StringFlag{Name: "operator", Usage: "`URL` of the node's operator endpoint"}
}
