package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"
)

func testnetLogsCommand() *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "print what nodes wrote to their logs", ArgsUsage: "[NODE...]",
		Flags: []cli.Flag{&cli.BoolFlag{
			Name: "follow", Aliases: []string{"f"}, Usage: "go on printing until Ctrl-C",
		}},
		Action: func(c *cli.Context) error {
			net, err := openTestnet(c)
			if err != nil {
				return err
			}
			st, err := net.State()
			if err != nil {
				return testnetError(err)
			}
			nodes, err := nodeArguments(c, st, 0)
			if err != nil {
				return err
			}
			if len(nodes) == 0 {
				for i := range st.Nodes {
					nodes = append(nodes, i)
				}
			}
			var tails []*tail
			for _, i := range nodes {
				path := filepath.Join(st.Nodes[i].Home, "byzd.log")
				tails = append(tails, &tail{node: i, path: path})
			}
			return printLogs(c, tails)
		},
	}
}

// followTime is how often a log is looked at for more.
const followTime = 200 * time.Millisecond

func printLogs(c *cli.Context, tails []*tail) error {
	defer func() {
		for _, t := range tails {
			t.close()
		}
	}()
	out := &logPrinter{w: c.App.Writer, json: c.Bool(flagJSON), named: len(tails) > 1}
	tick := time.NewTicker(followTime)
	defer tick.Stop()
	for {
		for _, t := range tails {
			if err := t.copy(out); err != nil {
				return err
			}
		}
		if !c.Bool("follow") {
			return nil
		}
		select {
		case <-c.Done():
			return silent(exitInterrupted)
		case <-tick.C:
		}
	}
}

// tail is a log and how far it was read.
type tail struct {
	node   int
	path   string
	file   *os.File
	reader *bufio.Reader
	begun  []byte // of a line whose end was not written yet
}

// lineMax is where a longer line is broken.
const lineMax = 64 << 10

// copy prints the lines that the log has and that were not printed yet. A log that does not exist
// yet is empty.
func (t *tail) copy(out *logPrinter) error {
	if t.file == nil {
		f, err := os.Open(filepath.Clean(t.path))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		t.file, t.reader = f, bufio.NewReaderSize(f, lineMax)
	}
	for {
		piece, err := t.reader.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(t.begun)+len(piece) < lineMax {
			t.begun = append(t.begun, piece...)
			return nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", t.path, err)
		}
		line := append(t.begun, piece...) //nolint:gocritic // begun is emptied
		t.begun = t.begun[:0]
		if err := out.line(t.node, line); err != nil {
			return err
		}
	}
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}

// logPrinter prints lines, with their nodes' numbers if there are several.
type logPrinter struct {
	w           io.Writer
	json, named bool
}

func (p *logPrinter) line(node int, line []byte) error {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	var err error
	switch {
	case p.json:
		err = json.NewEncoder(p.w).Encode(struct {
			Node int    `json:"node"`
			Line string `json:"line"`
		}{node, string(line)})
	case p.named:
		_, err = fmt.Fprintf(p.w, "%d | %s\n", node, line)
	default:
		_, err = fmt.Fprintf(p.w, "%s\n", line)
	}
	return err
}
