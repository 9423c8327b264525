package judge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
	"byzd/pbft/message"
)

// Node is where what a node did can be read.
type Node struct {
	Number  int    // of the node; -1 if it is not known
	Name    string // of the node, if that is known: the member of that name is it
	Traitor bool   // what it executed does not count
	// Home is the directory of its files, read whether it runs or not; else Operator is asked.
	Home string
	// Operator is the URL of its operator endpoint, empty if it need not be asked.
	Operator string
	// Fired is how often it lied, by behaviour, as far as that was noted before.
	Fired map[string]int
	// Unused says that it never ran, so that it has no journal.
	Unused bool
	// Last is what it said just before it was stopped, nil if nobody asked it then.
	Last *Last
}

// Last is what a node said of itself when it was told to end, or to stand still: what was pending
// then is in no journal.
type Last struct {
	Sequence uint64
	Pending  int
	OldestMS int64
}

// journalName is the directory of the journal in a node's home.
const journalName = "data"

// Read reads the journals of nodes, those of correct ones first. What cannot be read is a gap in
// that node's log; the error is only for a context that ended.
func (h *History) Read(ctx context.Context, nodes []Node) error {
	h.introduce(nodes)
	for _, traitors := range []bool{false, true} {
		for i, n := range nodes {
			if n.Traitor != traitors {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			h.progress("reading journals", i, len(nodes))
			h.readNode(ctx, n)
		}
	}
	return ctx.Err()
}

// introduce takes note of who has which number.
func (h *History) introduce(nodes []Node) {
	for _, n := range nodes {
		if n.Number >= 0 && n.Name != "" {
			h.Introduce(n.Number, n.Name)
		}
	}
}

func (h *History) readNode(ctx context.Context, n Node) {
	l := h.Add(n.Number, n.Traitor)
	l.Label = n.Operator
	switch {
	case n.Unused && !exists(filepath.Join(n.Home, journalName)):
		l.Last = &Last{} // nobody could ask it for anything
	case n.Home != "":
		h.readHome(ctx, l, n.Home)
	default:
		h.Fill(l, func(fn func(uint64, journal.Record) error) error {
			return readRemote(ctx, n.Operator, fn)
		})
	}
	if n.Last != nil {
		l.Last = n.Last
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// scanTries bounds how often a journal is read anew because it was shortened meanwhile.
const scanTries = 5

// readHome reads the journal in a node's home, in use or not. The home is not changed: not even a
// missing directory is made.
func (h *History) readHome(ctx context.Context, l *Log, home string) {
	dir := filepath.Join(home, journalName)
	if !exists(dir) {
		l.Gap = fmt.Errorf("its journal is missing: there is no %s", dir)
		return
	}
	d, err := disk.OS(dir)
	if err != nil {
		l.Gap = fmt.Errorf("its journal cannot be read: %w", err)
		return
	}
	for range scanTries {
		fresh := newLog(l.Node, l.Traitor)
		fresh.Label = l.Label
		*l = *fresh
		h.readStates(l, d) // before the journal is cut behind them
		h.Fill(l, func(fn func(uint64, journal.Record) error) error {
			return journal.Scan(d, func(lsn uint64, r journal.Record) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return fn(lsn, r)
			})
		})
		if !errors.Is(l.Gap, journal.ErrTruncated) {
			break
		}
	}
	if l.First > 1 {
		h.readStates(l, d) // those that were made meanwhile
	}
	if errors.Is(l.Gap, fs.ErrNotExist) && l.Records == 0 {
		l.Gap = fmt.Errorf("its journal is missing from %s", dir)
	}
	h.readArchive(ctx, l, filepath.Join(home, archiveName))
}

// archiveName is the directory, in a node's home, of what outlives its journal.
const archiveName = "archive"

// readArchive reads the NEW-VIEWs and checkpoint certificates that a node has kept for longer than
// its journal (rule R7.8). What cannot be read is missing testimony, and no gap in what the node
// executed.
func (h *History) readArchive(ctx context.Context, l *Log, dir string) {
	if !exists(dir) {
		return
	}
	d, err := disk.OS(dir)
	if err != nil {
		return
	}
	for range scanTries {
		err = h.FillArchived(l, func(fn func(uint64, journal.Record) error) error {
			return journal.Scan(d, func(lsn uint64, raw journal.Record) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return fn(lsn, raw)
			})
		})
		if !errors.Is(err, journal.ErrTruncated) {
			break
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && h.Notice != nil {
		h.Notice(fmt.Sprintf("the archive of %s cannot be read to its end: %v", h.who(l), err))
	}
}

// FillArchived reads an archive into a log, as [History.Fill] reads a journal. Whatever ends it
// early is returned: it is missing testimony, and no gap in what the node executed.
func (h *History) FillArchived(
	l *Log, each func(fn func(lsn uint64, r journal.Record) error) error,
) error {
	return each(func(_ uint64, raw journal.Record) error { return h.noteArchived(l, raw) })
}

// noteArchived takes in a record of an archive.
func (h *History) noteArchived(l *Log, raw journal.Record) error {
	rec, err := h.decode(raw)
	if err != nil {
		return err
	}
	switch rec.Type {
	case message.RecordView, message.RecordStable:
		l.file(rec.Type, rec)
	default: // nothing else belongs there
	}
	return nil
}

// readRemote reads the journal that a running node hands out.
func readRemote(
	ctx context.Context, operator string, fn func(uint64, journal.Record) error,
) (err error) {
	resp, err := get(ctx, operator, "/journal")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	return journal.ReadStream(resp.Body, 0, fn)
}

// get asks an operator endpoint. Connections are not kept: the node may be gone the next moment.
func get(ctx context.Context, operator, path string) (*http.Response, error) {
	if !strings.Contains(operator, "://") {
		operator = "http://" + operator
	}
	url := strings.TrimRight(operator, "/") + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("operator endpoint %q: %w", operator, err)
	}
	req.Close = true
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("it does not answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		err := fmt.Errorf("%s answers %s", url, resp.Status)
		return nil, errors.Join(err, resp.Body.Close())
	}
	return resp, nil
}
