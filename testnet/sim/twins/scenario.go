package twins

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Phases of a view, where cuts differ within one.
const (
	phaseProposal = iota // PRE-PREPARE, and everything about bodies
	phasePrepare
	phaseCommit // and checkpoints
	phaseChange // VIEW-CHANGE, NEW-VIEW, complaints, status and certificates
	phases
)

// Scenario is one run: who has a twin, and who hears whom in which view. It says all: the same
// scenario always gives the same run.
type Scenario struct {
	// Members is the number of replicas, 4 or 7.
	Members int `json:"n"`
	// Twins are the members that run twice, with one key and one number.
	Twins []int `json:"twins"`
	// Phases is how many cuts each view has: 1 or 4.
	Phases int `json:"phases"`
	// Cuts say in which part each instance is, view by view and phase by phase, one letter each:
	// first the members, then the second copies of the twins. After the last cut nobody is cut off.
	Cuts []string `json:"cuts"`
}

// instances is how many replicas run.
func (s *Scenario) instances() int { return s.Members + len(s.Twins) }

// views is how many views have cuts.
func (s *Scenario) views() int { return len(s.Cuts) / s.Phases }

// identity is the number that an instance signs with.
func (s *Scenario) identity(instance int) int {
	if instance < s.Members {
		return instance
	}
	return s.Twins[instance-s.Members]
}

// String is the scenario in one line, as [Parse] reads it.
func (s *Scenario) String() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic("twins: " + err.Error())
	}
	return string(text)
}

// maxCuts bounds what a scenario may say.
const maxCuts = 64

// Parse reads what [Scenario.String] wrote. Its error says what is wrong with it.
func Parse(text string) (*Scenario, error) {
	s := &Scenario{}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	switch {
	case s.Members != 4 && s.Members != 7:
		return nil, fmt.Errorf("n is %d; it must be 4 or 7", s.Members)
	case len(s.Twins) >= s.Members:
		return nil, fmt.Errorf("%d twins of %d members", len(s.Twins), s.Members)
	case s.Phases != 1 && s.Phases != phases:
		return nil, fmt.Errorf("phases is %d; it must be 1 or %d", s.Phases, phases)
	case len(s.Cuts) > maxCuts || len(s.Cuts)%s.Phases != 0:
		return nil, fmt.Errorf("%d cuts; there must be %d for each view, %d at most", len(s.Cuts),
			s.Phases, maxCuts)
	}
	for k, t := range s.Twins {
		if t < 0 || t >= s.Members || slices.Contains(s.Twins[:k], t) {
			return nil, fmt.Errorf("twin %d: not a member, or named twice", t)
		}
	}
	for _, cut := range s.Cuts {
		if len(cut) != s.instances() {
			return nil, fmt.Errorf("the cut %q names %d of %d instances", cut, len(cut),
				s.instances())
		}
	}
	return s, nil
}
