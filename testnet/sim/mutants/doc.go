// Package mutants holds deliberate bugs, and the means to show that the tests find each of them
// (VERIFY §10): a test that no bug can make fail proves nothing.
//
// The bugs are not in the code. Each is a small edit, written down in list/*.txt: a file, a text
// that must occur in it exactly once, and what stands there instead. It is applied with the
// -overlay flag of the go command, so the tree is never touched; an edit that no longer applies
// fails the run, by name. DESIGN.md has the table of what killed which, and the notation.
//
//	make mutants                  all of them
//	make mutants ONLY=M17,R1      some
//	make mutants DOZEN=3          the twelve of one day
//	make mutants LIST=1           what there is
//	make mutants CONTROLS=1       the layers without a mutant, and each oracle switched off
package mutants
