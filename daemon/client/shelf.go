package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"byzd/crypto"
)

// files keeps a key's book in a directory beside the key:
//
//	session-<cluster>-<key>.json    the key's book of one cluster
//	session-<cluster>-<key>.lock    held for a moment by whoever changes it
//	register-<cluster>-<key>.lock   held by whoever makes a session
//	live-<random>                   one for each client that runs, locked while it does
//
// The key is named because the directory outlives it: whoever replaces the key's file has another
// key, whose sessions are others. Locks are flocks: the kernel gives them back however a process
// ends.
type files struct {
	dir, cluster string
	key          string
	place        string
	holder       string
	life         *os.File
	local        mutex // saves tries when the other one is in this process
}

// bookBytesMax bounds the session file: a window of places and a few numbers.
const bookBytesMax = 64 << 10

const (
	livePrefix = "live-"
	tempSuffix = ".tmp"
)

// openFiles prepares the directory beside the file that holds the key.
func openFiles(keyPath string, key crypto.NodeID, cluster crypto.Digest) (*files, error) {
	dir := keyPath + ".d"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("prepare the key's session: %w", err)
	}
	full, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("prepare the key's session: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("prepare the key's session: %w", err)
	}
	s := &files{
		dir: dir, cluster: cluster.String(), key: hex.EncodeToString(key[:]),
		place: host + ":" + full, holder: livePrefix + rand.Text(), local: newMutex(),
	}
	s.sweep()
	s.life, err = os.OpenFile(s.path(s.holder), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("prepare the key's session: %w", err)
	}
	if locked, err := flock(s.life); err != nil || !locked {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", s.life.Name(), err), s.close())
	}
	return s, nil
}

// sweepAfter is the age from which files may be what a process left behind that was killed. Younger
// ones may not be locked or renamed yet.
const sweepAfter = time.Minute

// sweep removes what killed processes left behind. What it cannot remove does no harm.
func (s *files) sweep() {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < sweepAfter {
			continue
		}
		switch name := entry.Name(); {
		case strings.HasPrefix(name, livePrefix):
			s.alive(name)
		case strings.HasSuffix(name, tempSuffix):
			_ = os.Remove(s.path(name))
		}
	}
}

func (s *files) path(name string) string { return filepath.Join(s.dir, name) }

// named is the path of one of the key's files for the cluster. The names are cut to be handled by
// people; the book holds both in full.
func (s *files) named(kind, ext string) string {
	return s.path(kind + "-" + s.cluster[:16] + "-" + s.key[:16] + ext)
}

func (s *files) self() string { return s.holder }

// alive reports whether the holder's lock is held. The file of one that has ended is removed.
func (s *files) alive(holder string) bool {
	if !strings.HasPrefix(holder, livePrefix) || filepath.Base(holder) != holder {
		return false
	}
	f, err := os.Open(s.path(holder))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer func() { _ = f.Close() }()
	locked, err := flock(f)
	if err != nil || !locked {
		return true
	}
	_ = os.Remove(s.path(holder)) // If it stays, it is looked at again.
	return false
}

// lockPause is the longest pause between two tries for a lock.
const lockPause = 20 * time.Millisecond

// lock waits for a lock file until the context ends.
func (*files) lock(ctx context.Context, path string) (func(), error) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the key's session: %w", err)
	}
	for pause := time.Millisecond; ; pause = min(2*pause, lockPause) {
		locked, err := flock(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		if locked {
			return func() { _ = f.Close() }, nil // Closing gives the lock back.
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, errors.Join(
				fmt.Errorf("another process holds %s: %w", path, err), f.Close())
		}
	}
}

func (s *files) registering(ctx context.Context) (func(), error) {
	return s.lock(ctx, s.named("register", ".lock"))
}

func (s *files) update(ctx context.Context, f func(*book) error) error {
	mine, err := s.local.lock(ctx)
	if err != nil {
		return err
	}
	defer mine()
	unlock, err := s.lock(ctx, s.named("session", ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	b, before, err := s.read()
	if err != nil {
		return err
	}
	failed := f(b)
	if err := s.write(b, before); err != nil {
		return err
	}
	return failed
}

// read returns the book, or a new one where there is none or where it belongs elsewhere. The nonce
// of an older book is kept: it only grows. data is what the file holds.
func (s *files) read() (b *book, data []byte, err error) {
	fresh := &book{Cluster: s.cluster, Key: s.key, Place: s.place}
	path := s.named("session", ".json")
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the key's session: %w", err)
	}
	if info.Size() > bookBytesMax {
		return nil, nil, &damagedError{path, errors.New("it is too large")}
	}
	data, err = os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, nil, fmt.Errorf("read the key's session: %w", err)
	}
	b = &book{}
	if err := json.Unmarshal(data, b); err != nil {
		return nil, nil, &damagedError{path, err}
	}
	if b.Cluster != s.cluster || b.Key != s.key || b.Place != s.place {
		fresh.Nonce = b.Nonce
		return fresh, nil, nil
	}
	return b, data, nil
}

// write replaces the book durably, if there is something new in it.
func (s *files) write(b *book, before []byte) error {
	data, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("write the key's session: %w", err)
	}
	if bytes.Equal(data, before) {
		return nil
	}
	return writeDurably(s.named("session", ".json"), data)
}

// writeDurably replaces a file; a crash leaves the old one or the new one.
func writeDurably(path string, data []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+tempSuffix)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(temp.Name())))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (s *files) close() error {
	return errors.Join(os.Remove(s.life.Name()), s.life.Close())
}
