package judge

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"byzd/daemon/disk"
	"byzd/daemon/kv/merkle"
	"byzd/pbft/message"
)

// state is a certified state that stands for the beginning of a shortened log. The judge reads it
// with code of its own: that a quorum signed its root, and that its content is what the root
// promises, is found out here and not believed.
type state struct {
	name     string // of its file
	era      *era   // whose members certified it; nil as long as it is not known
	manifest *message.Manifest
	cert     *message.CheckpointCertificate
	store    merkle.Tree
	ledger   merkle.Tree
}

func (s *state) ref() message.Ref { return s.manifest.Ref() }

// statePrefix begins the names of the files of states, in the directory of a node's journal.
const statePrefix = "snapshot-"

// stateMagic begins such a file, with the version of its form.
const stateMagic = "byzd-snapshot\x00\x01"

// readStates reads the states in a directory. What cannot be read is a note: a node keeps two, and
// others keep theirs.
func (h *History) readStates(l *Log, d disk.Disk) {
	names, err := d.List(statePrefix)
	if err != nil {
		return
	}
	for _, name := range names {
		have := func(s *state) bool { return s.name == name }
		if slices.ContainsFunc(l.kept, have) || slices.ContainsFunc(l.states, have) {
			continue
		}
		s, err := readState(d, name)
		if err != nil {
			l.damaged = append(l.damaged, fmt.Errorf("%s: %w", d.Path(name), err))
			continue
		}
		h.keep(l, s)
	}
}

// keep takes in a state that a node keeps. Equal ones of several nodes are held once: they are the
// bulk of what a judge of shortened logs holds.
func (h *History) keep(l *Log, s *state) {
	for _, other := range h.Logs {
		for _, o := range slices.Concat(other.kept, other.states) {
			if o.manifest.Root() == s.manifest.Root() {
				s.store, s.ledger = o.store, o.ledger
			}
		}
	}
	l.kept = append(l.kept, s)
}

// readState reads one file: magic, manifest, certificate, and the entries of two trees.
func readState(d disk.Disk, name string) (s *state, err error) {
	size, err := d.Size(name)
	if err != nil {
		return nil, err
	}
	file, err := d.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	r := &stateReader{r: bufio.NewReader(io.NewSectionReader(file, 0, size)), left: size}
	if !bytes.Equal(r.take(int64(len(stateMagic))), []byte(stateMagic)) {
		r.fail("it does not begin like a snapshot")
	}
	s = &state{name: name}
	manifest, cert := r.take(message.ManifestSize), r.bytes()
	if r.err != nil {
		return nil, r.err
	}
	if s.manifest, err = message.DecodeManifest(manifest); err != nil {
		return nil, err
	}
	rec, err := message.DecodeRecord(message.RecordStable, message.RecordVersion, cert)
	if err != nil {
		return nil, err
	}
	s.cert = rec.Stable
	s.store, s.ledger = r.tree(), r.tree()
	switch {
	case r.err != nil:
		return nil, r.err
	case r.left > 0:
		return nil, fmt.Errorf("%d bytes too many", r.left)
	case rec.Epoch != s.manifest.Header.Epoch:
		return nil, errors.New("its certificate is of another epoch")
	case s.store.Root() != s.manifest.Store || s.ledger.Root() != s.manifest.Ledger:
		return nil, errors.New("its content is not what its root promises")
	case !s.manifest.Proves(s.cert):
		return nil, errors.New("its certificate is about another state")
	}
	return s, nil
}

// stateReader takes fields off a file. After the first error it gives nothing.
type stateReader struct {
	r    io.Reader
	left int64
	err  error
}

func (r *stateReader) fail(text string) {
	if r.err == nil {
		r.err = errors.New(text)
	}
}

func (r *stateReader) take(n int64) []byte {
	if n > r.left {
		r.fail("it ends early")
	}
	if r.err != nil {
		return nil
	}
	b := make([]byte, n)
	_, r.err = io.ReadFull(r.r, b)
	r.left -= n
	return b
}

func (r *stateReader) bytes() []byte {
	if b := r.take(4); r.err == nil {
		return r.take(int64(binary.BigEndian.Uint32(b)))
	}
	return nil
}

func (r *stateReader) tree() merkle.Tree {
	edit := merkle.Tree{}.Edit()
	count := r.take(8)
	if r.err != nil {
		return merkle.Tree{}
	}
	var last []byte
	for range binary.BigEndian.Uint64(count) {
		key, value := r.bytes(), r.bytes()
		if r.err == nil && (bytes.Compare(key, last) <= 0 || len(key) > merkle.KeyBytesMax ||
			len(value) > merkle.ValueBytesMax) {
			r.fail("an entry that cannot be where it is")
		}
		if r.err != nil {
			return merkle.Tree{}
		}
		edit.Set(key, value)
		last = key
	}
	return edit.Tree()
}

// sortStates checks the certificates of the states of a log whose epoch is known. A state of
// another configuration than that of its epoch, or, after the batch that ended it, of the next one,
// is none.
func (h *History) sortStates(l *Log) {
	l.kept = slices.DeleteFunc(l.kept, func(s *state) bool {
		header := &s.manifest.Header
		e := h.eraOf(l, header.Epoch)
		if e == nil {
			return false
		}
		err := h.verifyOnce(e, s.cert, s.cert.Signers.Count(), s.cert.Verify)
		if err == nil && header.Kind != message.Reconfig &&
			s.manifest.Config != e.cfg.Digest() {
			err = errors.New("it is of another configuration")
		}
		if err != nil {
			l.damaged = append(l.damaged, fmt.Errorf("%s: %w", s.name, err))
			return true
		}
		s.era = e
		l.states = append(l.states, s)
		l.decided = append(l.decided, &claim{ref: s.ref(), era: e, stable: s.cert})
		if h.states[s.cert.Root] == nil {
			h.states[s.cert.Root] = s
		}
		return true
	})
}

// damages says in words which states of a log cannot be used.
func (l *Log) damages() string {
	texts := make([]string, len(l.damaged))
	for i, err := range l.damaged {
		texts[i] = err.Error()
	}
	return strings.Join(texts, ", ")
}
