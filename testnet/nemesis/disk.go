package nemesis

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"byzd/daemon/config"
	"byzd/testnet"
)

// diskFaults fill disks, and damage what stands on them while the node does not run. A damaged
// journal, an old home and a lost one charge the node to f: it may have forgotten what it
// promised. It must come back by itself all the same (rule R15): what is damaged is set aside, and
// it asks the others what it may have said.
func diskFaults() []*Fault {
	full := func(name, text string, hits target) *Fault {
		return &Fault{Name: name, Text: text, hits: hits, do: fill, undo: makeRoom}
	}
	harm := func(name, text string, do func(ctx context.Context, s *strike) error) *Fault {
		return &Fault{Name: name, Text: text, Charges: true, Returns: true, hits: guilty, do: do}
	}
	return []*Fault{
		full("disk-full-one", "the disk of a node takes no more, then there is room again", one),
		full("disk-full-primary", "the disk of the primary takes no more, then it does", primary),
		harm("journal-flip", "bits of a node's journal are flipped while it is stopped", flipBits),
		harm("journal-cut", "a node's journal loses its end while it is stopped", cutJournal),
		harm("old-home", "a node gets an older copy of its home", restoreOld),
		harm("wiped-home", "a node loses all but its keys and the genesis", wipeHome),
	}
}

// fill lets a node's disk be full, and waits until the node says so.
func fill(ctx context.Context, s *strike) error {
	if err := s.world.net.SetDiskQuota(ctx, s.nodes[0], 1); err != nil {
		return err
	}
	return s.untilFull(ctx)
}

// untilFull writes until the node has used up what it had reserved, and says that its disk is full.
func (s *strike) untilFull(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil && s.world.filler(ctx) == nil {
			continue
		}
	}()
	defer func() {
		cancel()
		<-ended
	}()
	return s.world.until(ctx, func(ctx context.Context) string {
		st, err := s.world.net.Status(ctx)
		if err != nil {
			return err.Error()
		}
		n := &st.Nodes[s.nodes[0]]
		if !n.Ready && strings.Contains(n.Reason, "disk is full") {
			s.event.done("node %d says: %s", s.nodes[0], n.Reason)
			return ""
		}
		return fmt.Sprintf("node %d does not say that its disk is full", s.nodes[0])
	})
}

func makeRoom(ctx context.Context, s *strike) error {
	return s.world.net.SetDiskQuota(ctx, s.nodes[0], 0)
}

// stopped kills the victim, if it runs, and returns its home.
func (s *strike) stopped(ctx context.Context) (config.Home, error) {
	n, err := s.world.node(s.nodes[0])
	if err != nil {
		return "", err
	}
	if n.Process.Alive() {
		err = s.world.net.Kill(ctx, s.nodes[0])
	}
	return config.Home(n.Home), err
}

// startAgain starts the victim. That it does not start is what may happen to a damaged node, and
// is written down.
func (s *strike) startAgain(ctx context.Context) error {
	err := s.world.net.Restart(ctx, s.nodes[0])
	if e, ok := errors.AsType[*testnet.Error](err); ok && e.Kind == testnet.Failed {
		s.event.After = err.Error()
		return nil
	}
	return err
}

// segment is the last file of a journal, and how long it is up to its last byte that is not zero.
func lastSegment(home config.Home) (path string, data []byte, err error) {
	paths, err := filepath.Glob(filepath.Join(home.Data(), "journal-*"))
	if err != nil || len(paths) == 0 {
		return "", nil, errors.Join(err, fmt.Errorf("there is no journal in %s", home.Data()))
	}
	path = paths[len(paths)-1] // sorted, by the number of the first record
	if data, err = os.ReadFile(filepath.Clean(path)); err != nil {
		return "", nil, err
	}
	end := len(data)
	for end > 0 && data[end-1] == 0 {
		end--
	}
	if end < journalLeast {
		return "", nil, fmt.Errorf("%s holds %d bytes: there is nothing to damage", path, end)
	}
	return path, data[:end], nil
}

// journalLeast is the least that must be in a segment to be damaged: more than its header.
const journalLeast = 256

// flipsMost bounds the bits that are flipped at once.
const flipsMost = 8

func flipBits(ctx context.Context, s *strike) error {
	home, err := s.stopped(ctx)
	if err != nil {
		return err
	}
	s.world.charge(s.nodes[0], "its journal was damaged")
	path, data, err := lastSegment(home)
	if err != nil {
		return err
	}
	at := s.random.IntN(len(data))
	bits := byte(0)
	for range 1 + s.random.IntN(flipsMost) {
		bits |= 1 << s.random.IntN(8)
	}
	was := data[at]
	if err := writeAt(path, int64(at), was^bits); err != nil {
		return err
	}
	again, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return err
	}
	if again[at] == was {
		return fmt.Errorf("byte %d of %s is as it was", at, path)
	}
	s.event.done("byte %d of %d of %s was %02x and is %02x",
		at, len(data), filepath.Base(path), was, again[at])
	return s.startAgain(ctx)
}

func writeAt(path string, off int64, b byte) error {
	f, err := os.OpenFile(filepath.Clean(path), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{b}, off)
	return errors.Join(err, f.Close())
}

func cutJournal(ctx context.Context, s *strike) error {
	home, err := s.stopped(ctx)
	if err != nil {
		return err
	}
	s.world.charge(s.nodes[0], "its journal was damaged")
	path, data, err := lastSegment(home)
	if err != nil {
		return err
	}
	// Far enough from the end that it takes more than what may have been under way.
	left := int64(len(data)/4 + s.random.IntN(len(data)/2))
	if err := os.Truncate(path, left); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() != left {
		return fmt.Errorf("%s has %d bytes, not %d", path, info.Size(), left)
	}
	s.event.done("%s had %d bytes and has %d", filepath.Base(path), len(data), left)
	return s.startAgain(ctx)
}

// oldBy is how many operations are done between the copy of a home and its return.
const oldBy = 50

func restoreOld(ctx context.Context, s *strike) error {
	node := s.nodes[0]
	if err := s.world.net.Stop(ctx, node); err != nil {
		return err
	}
	n, err := s.world.node(node)
	if err != nil {
		return err
	}
	data := config.Home(n.Home).Data()
	old := filepath.Join(s.world.scratch, fmt.Sprintf("old-home-%d", node))
	if err := errors.Join(os.RemoveAll(old), os.CopyFS(old, os.DirFS(data))); err != nil {
		return err
	}
	was, err := journalEnd(data)
	if err != nil {
		return err
	}
	if err := s.world.net.Restart(ctx, node); err != nil {
		return err
	}
	if _, err := s.world.back(ctx, node); err != nil {
		return err
	}
	if err := s.world.progress(ctx, oldBy); err != nil {
		return err
	}
	if _, err := s.stopped(ctx); err != nil {
		return err
	}
	newer, err := journalEnd(data)
	if err != nil {
		return err
	}
	s.world.charge(node, "its home is an old one")
	if err := errors.Join(os.RemoveAll(data), os.CopyFS(data, os.DirFS(old))); err != nil {
		return err
	}
	if now, err := journalEnd(data); err != nil || now != was || newer <= was {
		return errors.Join(err, fmt.Errorf("its journal ended at %d, then at %d, and ends at %d",
			was, newer, now))
	}
	s.event.done("its journal of %d bytes is again the one of %d bytes", newer, was)
	return s.startAgain(ctx)
}

// journalEnd is how much a journal holds.
func journalEnd(data string) (int, error) {
	sum := 0
	paths, err := filepath.Glob(filepath.Join(data, "journal-*"))
	for _, path := range paths {
		var content []byte
		if content, err = os.ReadFile(filepath.Clean(path)); err != nil {
			return 0, err
		}
		sum += len(strings.TrimRight(string(content), "\x00"))
	}
	return sum, err
}

// wipeHome removes the journal and the proofs of a node: everything that it can lose and still be
// the same member.
func wipeHome(ctx context.Context, s *strike) error {
	home, err := s.stopped(ctx)
	if err != nil {
		return err
	}
	s.world.charge(s.nodes[0], "its home was wiped")
	had, err := journalEnd(home.Data())
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(home.Data()), os.RemoveAll(home.Evidence())); err != nil {
		return err
	}
	if _, err := os.Stat(home.Data()); !errors.Is(err, fs.ErrNotExist) || had == 0 {
		return fmt.Errorf("%s: %d bytes were there, and now: %w", home.Data(), had, err)
	}
	s.event.done("its journal of %d bytes is gone", had)
	return s.startAgain(ctx)
}
