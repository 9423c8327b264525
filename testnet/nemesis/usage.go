package nemesis

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"byzd/daemon/config"
	"byzd/testnet"
)

// Usage is what a node takes of the machine at one moment. Of the process it is known on Linux
// only, and 0 elsewhere.
type Usage struct {
	RSSBytes     int64 `json:"rss_bytes"`
	Descriptors  int   `json:"descriptors"`
	Threads      int   `json:"threads"`
	JournalBytes int64 `json:"journal_bytes"` // as the file system has them, reserved room included
	DataBytes    int64 `json:"data_bytes"`    // the data directory, the journal included
}

// usageOf looks at a node that runs.
func usageOf(n *testnet.NodeState) (u Usage, err error) {
	u.RSSBytes, u.Descriptors, u.Threads, err = processUsage(n.PID)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return u, fmt.Errorf("look at node %d: %w", n.Node, err)
	}
	u.JournalBytes, u.DataBytes, err = sizes(config.Home(n.Home).Data())
	return u, err
}

// sizes adds up the files of a data directory. Those that vanish meanwhile do not count.
func sizes(data string) (journal, all int64, err error) {
	err = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		all += info.Size()
		if strings.HasPrefix(filepath.Base(path), "journal-") {
			journal += info.Size()
		}
		return nil
	})
	return journal, all, err
}

// more is the larger of both in each respect.
func (u *Usage) more(v Usage) {
	u.RSSBytes, u.Descriptors = max(u.RSSBytes, v.RSSBytes), max(u.Descriptors, v.Descriptors)
	u.Threads = max(u.Threads, v.Threads)
	u.JournalBytes = max(u.JournalBytes, v.JournalBytes)
	u.DataBytes = max(u.DataBytes, v.DataBytes)
}
