package traitor

import "fmt"

// SpecError says which part of a spec is wrong, why, and what to write instead.
type SpecError struct {
	Spec    string // the whole text, or the two that contradict each other
	Part    string // the bad part of it
	Problem string
	Advice  string
}

// Error names the spec, the part and the problem.
func (e *SpecError) Error() string {
	if e.Part == e.Spec || e.Part == "" {
		return fmt.Sprintf("traitor %q: %s", e.Spec, e.Problem)
	}
	return fmt.Sprintf("traitor %q: %q: %s", e.Spec, e.Part, e.Problem)
}

// Hint says what to do about it.
func (e *SpecError) Hint() string { return e.Advice }

// advise suggests the legal word that is nearest to a wrong one; otherwise it falls back.
func advise(word string, legal []string, fallback string) string {
	best, least := "", len(word)/2+2
	for _, candidate := range legal {
		if d := distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return fallback
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance counts the letters to change, add, remove or exchange with a neighbour.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
