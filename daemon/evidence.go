package daemon

import (
	"fmt"
	"path/filepath"
	"sync"

	"github.com/sirupsen/logrus"

	"byzd/daemon/disk"
	"byzd/daemon/operator"
	"byzd/pbft/message"
)

// evidence writes each proof of a lie to a file of its own, beside the loop: the journal has it
// already, the file is for people.
type evidence struct {
	cluster *message.Config
	dir     string
	disk    disk.Disk
	log     logrus.FieldLogger
	queue   chan *message.Evidence
	written chan struct{}

	mu    sync.Mutex
	known []operator.Evidence
}

// queuedProofs is how many proofs may wait to be written. There is one for each kind and culprit.
const queuedProofs = 1024

func newEvidence(dir string, cluster *message.Config, log logrus.FieldLogger) (*evidence, error) {
	d, err := disk.OS(dir)
	if err != nil {
		return nil, fmt.Errorf("directory of proofs: %w", err)
	}
	e := &evidence{
		cluster: cluster, dir: dir, disk: d, log: log,
		queue: make(chan *message.Evidence, queuedProofs), written: make(chan struct{}),
	}
	go e.write()
	return e, nil
}

// add takes a proof; it never waits.
func (e *evidence) add(proof *message.Evidence) {
	select {
	case e.queue <- proof:
	default:
		e.log.Warn("a proof stays in the journal alone: too many wait to be written")
	}
}

func (e *evidence) write() {
	defer close(e.written)
	for proof := range e.queue {
		name := fmt.Sprintf("%s-node%d.proof", proof.Kind, proof.Culprit)
		if err := e.disk.WriteAtomic(name, message.EncodeProof(e.cluster, proof)); err != nil {
			e.log.WithError(err).Warn("a proof stays in the journal alone")
			continue
		}
		file, err := filepath.Abs(filepath.Join(e.dir, name))
		if err != nil {
			file = filepath.Join(e.dir, name)
		}
		e.mu.Lock()
		e.known = append(e.known, operator.Evidence{
			Kind: proof.Kind.String(), Culprit: proof.Culprit, File: file,
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
