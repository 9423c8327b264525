package scope

import (
	"encoding/binary"
	"slices"
)

// pool numbers sets of local states of one replica each. Number 0 is the empty set.
type pool struct {
	sets   [][]uint32 // ascending
	byKey  map[string]uint32
	unions map[[2]uint32]uint32
}

func newPool() *pool {
	return &pool{
		sets: [][]uint32{nil}, byKey: map[string]uint32{"": 0}, unions: map[[2]uint32]uint32{},
	}
}

// of numbers a set, whose members are in any order.
func (p *pool) of(members []uint32) uint32 {
	slices.Sort(members)
	members = slices.Compact(members)
	key := make([]byte, 0, 4*len(members))
	for _, m := range members {
		key = binary.LittleEndian.AppendUint32(key, m)
	}
	if id, known := p.byKey[string(key)]; known {
		return id
	}
	id := uint32(len(p.sets)) //nolint:gosec // memory ends first
	p.sets = append(p.sets, slices.Clip(members))
	p.byKey[string(key)] = id
	return id
}

func (p *pool) union(a, b uint32) uint32 {
	if a == b || b == 0 {
		return a
	}
	if a == 0 {
		return b
	}
	key := [2]uint32{min(a, b), max(a, b)}
	if id, known := p.unions[key]; known {
		return id
	}
	id := p.of(slices.Concat(p.sets[a], p.sets[b]))
	p.unions[key] = id
	return id
}
