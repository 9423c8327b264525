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
// bundle that any genesis allows (8 MiB), which nobody signed (E7).
const MaxProofBytes = 10 << 20

// proofName is the name of the file of a proof, the same as in the nodes' homes.
func proofName(p Proof) string { return fmt.Sprintf("%s-node%d.proof", p.Kind, p.Culprit) }

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
		name := proofName(p)
		file := filepath.Join(dir, name)
		if old, err := ReadProof(h.Config, file); err != nil || old.Key() != p.Evidence.Key() {
			data := message.EncodeProof(h.Config, p.Evidence)
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

// ReadProof reads and verifies the proof in a file.
func ReadProof(cfg *message.Config, file string) (e *message.Evidence, err error) {
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
	return message.DecodeProof(cfg, data)
}

// Listed is a file in a directory of proofs. Without Err it convicts Culprit.
type Listed struct {
	Name    string
	File    string // absolute
	Kind    string
	Culprit int
	Err     error
}

// ListProofs reads the proofs in a directory; one that is missing holds none.
func ListProofs(cfg *message.Config, dir string) ([]Listed, error) {
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
		e, err := ReadProof(cfg, l.File)
		if err != nil {
			l.Err = err
		} else {
			l.Kind, l.Culprit = e.Kind.String(), e.Culprit
		}
		list = append(list, l)
	}
	return list, nil
}
