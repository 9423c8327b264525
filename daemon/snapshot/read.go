package snapshot

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"byzd/daemon/disk"
	"byzd/daemon/kv/merkle"
	"byzd/pbft/message"
)

// ErrDamaged is wrapped by the errors about files that are no snapshot.
var ErrDamaged = errors.New("not a snapshot")

// Configs returns the configuration of an epoch, or nil if it is not known.
type Configs func(epoch uint64) *message.Config

// Latest returns the newest snapshot that verifies, or nil if there is none. damaged tells why the
// newer ones do not, one error for each; the caller decides what becomes of the files. err is an
// error of the disk itself. at returns the configuration of an epoch, or nil.
func Latest(d disk.Disk, at Configs) (s *Snapshot, damaged []error, err error) {
	seqs, err := list(d)
	if err != nil {
		return nil, nil, err
	}
	for _, seq := range slices.Backward(seqs) {
		s, err := Read(d, at, seq)
		if err == nil {
			return s, damaged, nil
		}
		if !errors.Is(err, ErrDamaged) {
			return nil, damaged, err
		}
		damaged = append(damaged, err)
	}
	return nil, damaged, nil
}

// list returns the sequence numbers of the files that call themselves snapshots, ascending.
func list(d disk.Disk) ([]uint64, error) {
	names, err := d.List(prefix)
	if err != nil {
		return nil, fmt.Errorf("snapshots: %w", err)
	}
	var seqs []uint64
	for _, name := range names {
		hex := strings.TrimPrefix(name, prefix)
		if seq, err := strconv.ParseUint(hex, 16, 64); err == nil && fileName(seq) == name {
			seqs = append(seqs, seq)
		}
	}
	return seqs, nil
}

// Prune removes all snapshots but the newest few, damaged ones among them.
func Prune(d disk.Disk, keep int) error {
	seqs, err := list(d)
	if err != nil {
		return err
	}
	for len(seqs) > keep {
		if err := d.Remove(fileName(seqs[0])); err != nil {
			return fmt.Errorf("snapshots: %w", err)
		}
		seqs = seqs[1:]
	}
	return d.SyncDir()
}

// Read returns the snapshot after a batch, verified: that a quorum signed its root, and that the
// content is what the root promises. Memory grows with what is there, not with what the file
// claims.
func Read(d disk.Disk, at Configs, seq uint64) (*Snapshot, error) {
	name := fileName(seq)
	size, err := d.Size(name)
	if err != nil {
		return nil, fmt.Errorf("snapshot %d: %w", seq, err)
	}
	file, err := d.OpenRead(name)
	if err != nil {
		return nil, fmt.Errorf("snapshot %d: %w", seq, err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	section := io.NewSectionReader(file, 0, size)
	r := &reader{r: bufio.NewReaderSize(section, writeBuffer), left: size}
	s := r.snapshot(at)
	if r.err == nil && r.left > 0 {
		r.fail("%d bytes too much", r.left)
	}
	if r.err == nil && s.Seq() != seq {
		r.fail("it holds the state after batch %d", s.Seq())
	}
	if r.err != nil {
		return nil, fmt.Errorf("%s: %w", d.Path(name), r.err)
	}
	return s, nil
}

// reader takes fields off the front of a file. After the first error all reads give nothing.
type reader struct {
	r    io.Reader
	left int64
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
	}
}

func (r *reader) take(n int64) []byte {
	if r.err != nil {
		return nil
	}
	if n > r.left {
		r.fail("%d bytes wanted, %d left", n, r.left)
		return nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r.r, b); err != nil {
		r.err = err
		return nil
	}
	r.left -= n
	return b
}

func (r *reader) bytes() []byte {
	if b := r.take(4); b != nil {
		return r.take(int64(binary.BigEndian.Uint32(b)))
	}
	return nil
}

func (r *reader) snapshot(at Configs) *Snapshot {
	s := &Snapshot{}
	head := append([]byte(magic), version)
	if got := r.take(int64(len(head))); r.err == nil && !bytes.Equal(got, head) {
		r.fail("it does not begin like one of version %d", version)
	}
	raw, proof := r.take(message.ManifestSize), r.bytes()
	if r.err != nil {
		return nil
	}
	var err error
	if s.Manifest, err = message.DecodeManifest(raw); err != nil {
		r.fail("manifest: %v", err)
		return nil
	}
	rec, err := message.DecodeRecord(message.RecordStable, message.RecordVersion, proof)
	if err != nil {
		r.fail("certificate: %v", err)
		return nil
	}
	if rec.Epoch != s.Manifest.Header.Epoch {
		r.fail("the certificate is of epoch %d", rec.Epoch)
		return nil
	}
	s.Certificate = rec.Stable
	cfg := at(s.Manifest.Header.Epoch)
	if cfg == nil {
		r.fail("it is of epoch %d, which the journal does not lead to", s.Manifest.Header.Epoch)
		return nil
	}
	if err := s.Certificate.Verify(cfg); err != nil {
		r.fail("certificate: %v", err)
		return nil
	}
	if !s.Manifest.Proves(s.Certificate) {
		r.fail("the certificate is about another state")
		return nil
	}
	s.Store, s.Ledger = r.tree(), r.tree()
	if r.err == nil && !s.Whole() {
		r.fail("the content is not what was certified")
	}
	return s
}

// tree reads a tree. Its digest is compared later, with what the manifest says.
func (r *reader) tree() merkle.Tree {
	b := r.take(8)
	if r.err != nil {
		return merkle.Tree{}
	}
	count := binary.BigEndian.Uint64(b)
	edit := merkle.Tree{}.Edit()
	var last []byte
	for range count {
		key, value := r.bytes(), r.bytes()
		if r.err != nil {
			return merkle.Tree{}
		}
		if len(key) == 0 || len(key) > merkle.KeyBytesMax || len(value) > merkle.ValueBytesMax ||
			bytes.Compare(key, last) <= 0 {
			r.fail("an entry of %d and %d bytes that does not belong there", len(key), len(value))
			return merkle.Tree{}
		}
		edit.Set(key, value)
		last = key
	}
	return edit.Tree()
}
