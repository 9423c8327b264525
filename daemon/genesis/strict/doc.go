// Package strict reads TOML files that people write by hand, and never passes over a mistake in
// silence: each error names the file, the line, and where one is known the remedy.
//
// A reader asks a [Table] for the keys that it knows. What it never asked for is an unknown key,
// and [Table.Err] says so with the name that was probably meant. The methods that ask return a zero
// value for what is missing or of the wrong type, and note the problem, so that a reader is a list
// of questions with one check at its end:
//
//	doc, err := strict.Parse("member.toml", data)
//	if err != nil {
//		return err
//	}
//	name, weight := doc.String("name"), doc.Int("weight")
//	if err := doc.Err(); err != nil {
//		return err
//	}
//
// Parse is total: whatever the bytes are, it answers with a table or an error, and takes memory in
// proportion to their number. A table belongs to one goroutine.
//
// The package leaves out what keys mean, and writing.
package strict
