package snapshot

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"byzd/daemon/disk"
	"byzd/daemon/kv/merkle"
	"byzd/pbft/message"
)

const (
	magic   = "byzd-snapshot\x00"
	version = 1
	prefix  = "snapshot-"
)

func fileName(seq uint64) string { return fmt.Sprintf("%s%016x", prefix, seq) }

// Write makes a snapshot durable. An error leaves a file that is no snapshot, or none; the next
// Write of the same state replaces it. It may take long and be called beside anything else that
// uses the disk, but not beside itself.
func Write(d disk.Disk, s *Snapshot) error {
	name := fileName(s.Seq())
	if err := d.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("snapshot %d: %w", s.Seq(), err)
	}
	file, err := d.Create(name)
	if err != nil {
		return fmt.Errorf("snapshot %d: %w", s.Seq(), err)
	}
	err = write(file, s)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = d.SyncDir()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("snapshot %d: %w", s.Seq(), err), d.Remove(name))
	}
	return nil
}

// writeBuffer is the size of the pieces in which a snapshot goes to the disk.
const writeBuffer = 256 << 10

func write(file io.Writer, s *Snapshot) error {
	w := bufio.NewWriterSize(file, writeBuffer)
	head := append([]byte(magic), version)
	head = append(head, s.Manifest.Encode()...)
	rec := message.Record{
		Type: message.RecordStable, Epoch: s.Manifest.Header.Epoch, Stable: s.Certificate,
	}
	head = appendBytes(head, rec.Encode())
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, tree := range []merkle.Tree{s.Store, s.Ledger} {
		if err := writeTree(w, tree); err != nil {
			return err
		}
	}
	return w.Flush()
}

func writeTree(w io.Writer, tree merkle.Tree) error {
	count := binary.BigEndian.AppendUint64(nil, uint64(tree.Len())) //nolint:gosec // not negative
	_, err := w.Write(count)
	if err != nil {
		return err
	}
	var entry []byte
	tree.Ascend(nil, nil, func(key, value []byte) bool {
		entry = appendBytes(appendBytes(entry[:0], key), value)
		_, err = w.Write(entry)
		return err == nil
	})
	return err
}

func appendBytes(out, b []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(b))) //nolint:gosec // bounded by the tree
	return append(out, b...)
}
