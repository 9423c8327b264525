package judge

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"byzd/daemon/disk"
	"byzd/pbft/message"
)

// evidenceName is the directory of the proofs in a node's home, and in a testnet's for the judge's
// own.
const evidenceName = "evidence"

// EvidenceDir is where the proofs of a home are.
func EvidenceDir(home string) string { return filepath.Join(home, evidenceName) }

// MaxProofBytes bounds what is read as a proof: above the largest one, of a batch with the largest
// bundle that any genesis allows (8 MiB), which nobody signed (E7), with the longest chain of
// epochs that a file carries (16 MiB).
const MaxProofBytes = 26 << 20

// WriteProofs leaves the verdict's proofs in a directory, one file each, for whoever wants to check
// them without trusting this judge, and names the files in the result. A good proof of the same is
// left as it is.
func (h *History) WriteProofs(v *Verdict, dir string) error {
	if len(v.Proofs) == 0 {
		return nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("directory of proofs: %w", err)
	}
	d, err := disk.OS(dir)
	if err != nil {
		return fmt.Errorf("directory of proofs: %w", err)
	}
	for _, p := range v.Proofs {
		name := message.ProofName(p.era.cfg, p.Evidence)
		file := filepath.Join(dir, name)
		old, err := ReadProof(h.Config, nil, file)
		if err != nil || old.Key() != p.Evidence.Key() || old.In.Epoch != p.Epoch() {
			data := message.EncodeProof(p.era.cfg, p.Evidence, p.era.chain()...)
			if err := d.WriteAtomic(name, data); err != nil {
				return fmt.Errorf("write proof: %w", err)
			}
		}
		v.Evidence = append(v.Evidence, ProofFile{
			Kind: p.Kind.String(), Culprit: h.nameOf(p.Culprit), File: file,
		})
	}
	slices.SortFunc(v.Evidence, ProofFile.compare)
	return nil
}

func (p ProofFile) compare(q ProofFile) int {
	return cmp.Or(
		p.Culprit.compare(q.Culprit), cmp.Compare(p.Kind, q.Kind), cmp.Compare(p.File, q.File))
}

// ReadProof reads and verifies the proof in a file, with the genesis' configuration. A file of a
// later epoch carries what leads there, or else chain does.
func ReadProof(genesis *message.Config, chain []*message.EpochProof, file string) (
	p *message.OpenedProof, err error,
) {
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, MaxProofBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if len(data) > MaxProofBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes; it is no proof", file, MaxProofBytes)
	}
	return message.OpenProof(genesis, chain, data)
}

// Listed is a file in a directory of proofs. Without Err it convicts Culprit.
type Listed struct {
	Name    string
	File    string // absolute
	Kind    string
	Culprit int             // the member's number in its epoch
	In      *message.Config // of which that is
	Err     error
}

// ListProofs reads the proofs in a directory; one that is missing holds none.
func ListProofs(genesis *message.Config, chain []*message.EpochProof, dir string) (
	[]Listed, error,
) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("directory of proofs: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("directory of proofs: %w", err)
	}
	var list []Listed
	for _, entry := range entries {
		if !entry.Type().IsRegular() || filepath.Ext(entry.Name()) != ".proof" {
			continue
		}
		l := Listed{Name: entry.Name(), File: filepath.Join(dir, entry.Name())}
		if p, err := ReadProof(genesis, chain, l.File); err != nil {
			l.Err = err
		} else {
			l.Kind, l.Culprit, l.In = p.Kind.String(), p.Culprit, p.In
		}
		list = append(list, l)
	}
	return list, nil
}
