package sim

import (
	"slices"
	"sync"
)

// Seeds are those that run at this moment. It is safe for concurrent use; a nil one takes no note.
type Seeds struct {
	mu   sync.Mutex
	list []uint64
}

// Begin notes that a seed's run begins.
func (s *Seeds) Begin(seed uint64) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, seed)
}

// End notes that it ended.
func (s *Seeds) End(seed uint64) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.list, seed); i >= 0 {
		s.list = slices.Delete(s.list, i, i+1)
	}
}

// Running lists the seeds, the one that began first in front.
func (s *Seeds) Running() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}
