package daemon

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/sirupsen/logrus"

	"byzd/daemon/disk"
	"byzd/daemon/operator"
	"byzd/pbft/message"
)

// evidence writes each proof of a lie to a file of its own, beside the loop: the journal has it
// already, the file is for people.
type evidence struct {
	dir     string
	disk    disk.Disk
	log     logrus.FieldLogger
	queue   chan foundProof
	written chan struct{}

	mu    sync.Mutex
	known []operator.Evidence
}

// foundProof is a proof, the epoch whose members its numbers are, and what leads there.
type foundProof struct {
	*message.Evidence

	in    *message.Config
	chain []*message.EpochProof
}

// queuedProofs is how many proofs may wait to be written. There is one for each kind and culprit.
const queuedProofs = 1024

func newEvidence(dir string, log logrus.FieldLogger) (*evidence, error) {
	d, err := disk.OS(dir)
	if err != nil {
		return nil, fmt.Errorf("directory of proofs: %w", err)
	}
	e := &evidence{
		dir: dir, disk: d, log: log,
		queue: make(chan foundProof, queuedProofs), written: make(chan struct{}),
	}
	go e.write()
	return e, nil
}

// found is a proof with the epoch that it is about: the one that the loop is in, or, if the epoch
// ended with the step that found it, the one before. It runs on the loop.
func (n *node) found(e *message.Evidence) foundProof {
	in := n.loop.Cluster()
	if in.Epoch > 0 && e.Verify(in) != nil {
		if before := n.loop.Config(in.Epoch - 1); e.Verify(before) == nil {
			in = before
		}
	}
	return foundProof{e, in, slices.Clone(n.loop.Ends()[:in.Epoch])}
}

// add takes a proof; it never waits.
func (e *evidence) add(proof foundProof) {
	select {
	case e.queue <- proof:
	default:
		e.log.Warn("a proof stays in the journal alone: too many wait to be written")
	}
}

func (e *evidence) write() {
	defer close(e.written)
	for proof := range e.queue {
		name := message.ProofName(proof.in, proof.Evidence)
		data := message.EncodeProof(proof.in, proof.Evidence, proof.chain...)
		if err := e.disk.WriteAtomic(name, data); err != nil {
			e.log.WithError(err).Warn("a proof stays in the journal alone")
			continue
		}
		file, err := filepath.Abs(filepath.Join(e.dir, name))
		if err != nil {
			file = filepath.Join(e.dir, name)
		}
		e.mu.Lock()
		e.known = append(e.known, operator.Evidence{
			Kind: proof.Kind.String(), Culprit: proof.Culprit, Epoch: proof.in.Epoch, File: file,
		})
		e.mu.Unlock()
	}
}

// list returns the proofs that are written.
func (e *evidence) list() []operator.Evidence {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]operator.Evidence{}, e.known...)
}

// close writes what waits.
func (e *evidence) close() error {
	close(e.queue)
	<-e.written
	return nil
}
