package sim

import (
	"bytes"
	goflag "flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"byzd/daemon/journal"
	"byzd/pbft/message"
)

var updateCorpus = goflag.Bool("update-corpus", false, "write the fuzz targets' corpora anew")

// corpusSeeds are run for a corpus; those that do not encode are passed over.
const corpusSeeds = 1600

// Sizes of a sample, in bytes: one that is larger teaches a fuzzer little and slows it down.
const (
	frameMax = 6 << 10
	fileMax  = 24 << 10
)

// samples are what simulated runs leave for the fuzz targets: by target and kind the smallest and
// the largest that is not too large, so that there are few.
type samples map[string][2]sample

type sample struct {
	size int
	text string
}

// header is the first line of a corpus file.
const header = "go test fuzz v1\n"

// add keeps a sample, given as the arguments of a fuzz target.
func (s samples) add(target, kind string, size int, arguments ...string) {
	key := target + "/sim-" + kind
	one := sample{size, header + strings.Join(arguments, "\n") + "\n"}
	both, known := s[key]
	if !known || size < both[0].size {
		both[0] = one
	}
	if !known || size > both[1].size {
		both[1] = one
	}
	s[key] = both
}

func quoted(b []byte) string { return fmt.Sprintf("[]byte(%q)", b) }

// gather runs seeds that encode with the real scheme, and takes samples of frames, of records, and of
// whole files.
func gather() samples {
	s := samples{}
	for seed := uint64(1); seed <= corpusSeeds; seed++ {
		w := New(seed, Setup{Sent: s.frame})
		if !w.opts.Codec {
			continue
		}
		w.Run()
		for _, n := range w.nodes {
			s.files(n)
		}
	}
	return s
}

func (s samples) frame(frame []byte) {
	if len(frame) > frameMax {
		return
	}
	_, m, err := message.Decode(frame)
	if err != nil {
		return // a liar's
	}
	kind := kindName(m.Type())
	s.add("pbft/message/testdata/fuzz/FuzzDecode", kind, len(frame), quoted(frame))
	s.add("pbft/testdata/fuzz/FuzzStepFrame", kind, len(frame),
		"byte('\\x03')", "bool(true)", quoted(frame))
}

func (s samples) files(n *node) {
	names, err := n.mem.List("")
	if err != nil {
		return
	}
	for _, name := range names {
		data, err := n.mem.ReadFile(name)
		if err == nil && strings.HasPrefix(name, "snapshot-") && len(data) <= fileMax {
			s.add("daemon/snapshot/testdata/fuzz/FuzzRead", "snapshot", len(data), quoted(data))
		}
	}
	var all []journal.Record
	_ = journal.Scan(n.mem.Clone(), func(_ uint64, r journal.Record) error {
		all = append(all, r)
		if len(r.Body) <= frameMax {
			s.add("pbft/message/testdata/fuzz/FuzzDecodeRecord", fmt.Sprintf("record-%d", r.Type),
				len(r.Body), fmt.Sprintf("byte(%q)", r.Type), fmt.Sprintf("byte(%q)", r.Version),
				quoted(r.Body))
		}
		return nil
	})
	var stream bytes.Buffer
	err = journal.WriteStream(&stream, func(fn func(uint64, journal.Record) error) error {
		for k, r := range all[:min(len(all), 40)] {
			if err := fn(uint64(k)+1, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && stream.Len() <= fileMax {
		s.add("daemon/journal/testdata/fuzz/FuzzReadStream", "journal", stream.Len(),
			quoted(stream.Bytes()))
	}
}

// TestCorpus: the fuzz targets start from what simulated clusters say and write. With -update-corpus
// it is written anew; without, the frames in the tree must still decode, and have every kind of message.
func TestCorpus(t *testing.T) {
	root := filepath.Join("..", "..")
	if *updateCorpus {
		for key, both := range gather() {
			for k, one := range both {
				name := fmt.Sprintf("%s-%d", filepath.Join(root, key), k)
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if k == 1 && one == both[0] {
					continue
				}
				if err := os.WriteFile(name, []byte(one.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	dir := filepath.Join(root, "pbft", "message", "testdata", "fuzz", "FuzzDecode")
	for kind := message.TypePrePrepare; kind <= message.TypeAnnouncement; kind++ {
		name := filepath.Join(dir, "sim-"+kindName(kind)+"-0")
		file, err := os.ReadFile(name)
		if err != nil {
			t.Errorf("%v: write the corpus anew with -update-corpus", err)
			continue
		}
		body := strings.TrimSuffix(strings.TrimPrefix(string(file), header+"[]byte("), ")\n")
		frame, err := strconv.Unquote(body)
		if err == nil {
			_, _, err = message.Decode([]byte(frame))
		}
		if err != nil {
			t.Errorf("%s: %v: the encoding has changed; write the corpus anew", name, err)
		}
	}
}

func kindName(t message.Type) string { return strings.ReplaceAll(t.String(), " ", "-") }
