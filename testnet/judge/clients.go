package judge

import "slices"

// TellHistory says what a recorded history of the clients shows of linearizability, with the
// reasons; without it the verdict knows of none.
func (v *Verdict) TellHistory(state State, reasons ...string) {
	v.Findings = slices.DeleteFunc(v.Findings, func(f Finding) bool {
		return f.Property == Linearizable
	})
	v.Linearizable = state
	for _, text := range reasons {
		v.Findings = append(v.Findings, Finding{Linearizable, state, text})
	}
}
