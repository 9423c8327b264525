package strict

import (
	"fmt"
	"strings"
)

// Error says what is wrong in a file.
type Error struct {
	File   string
	Line   int    // from 1; 0 if it concerns no line
	Err    error  // what is wrong
	Advice string // what to do, or empty

	// missing says that something is not there, which an unknown key often explains.
	missing bool
}

// Error returns the place and what is wrong there.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
}

// Unwrap returns what is wrong, without the place.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about it; it may be empty.
func (e *Error) Hint() string { return e.Advice }

// Suggest returns advice for someone who wrote word where only known words may stand.
func Suggest(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(known) == 0 {
		return ""
	}
	return "known here are " + strings.Join(known, ", ")
}

// Nearest returns the known word that was probably meant, or "" if none is near enough: at most a
// third of its letters, and one more, may be wrong.
func Nearest(word string, known []string) string {
	best, least := "", 0
	for _, k := range known {
		d := distance(word, k)
		if d <= 1+len(k)/3 && d < max(len(k), 2) && (best == "" || d < least) {
			best, least = k, d
		}
	}
	return best
}

// wordMax bounds the words that are compared: the time grows with the product of their lengths.
const wordMax = 64

// distance counts the letters to change, add or remove (Levenshtein).
func distance(a, b string) int {
	if len(a) > wordMax || len(b) > wordMax {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
