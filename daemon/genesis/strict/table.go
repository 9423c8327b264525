package strict

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Table is one table of a document, and remembers which keys it was asked for.
type Table struct {
	doc    *document
	path   string
	values map[string]any
	known  []string
	broken bool // stands for a table that is missing; whatever it lacks was said already
}

// Has reports whether the table holds key, which is known from now on.
func (t *Table) Has(key string) bool {
	_, ok := t.Take(key)
	return ok
}

// Take returns the value of key as TOML has it (string, int64, float64, bool, []any,
// map[string]any, a time), for readers that accept several types. The key is known from now on.
func (t *Table) Take(key string) (value any, ok bool) {
	if !slices.Contains(t.known, key) {
		t.known = append(t.known, key)
	}
	value, ok = t.values[key]
	return value, ok
}

// Line returns the line of key, and for a key that is missing that of the table; 0 if neither
// stands in the file.
func (t *Table) Line(key string) int {
	if line := t.doc.lines[join(t.path, key)]; line != 0 {
		return line
	}
	return t.doc.lines[t.path]
}

// Failf notes that something is wrong with key, in the manner of [fmt.Errorf]. hint says what to do
// and may be empty.
func (t *Table) Failf(key, hint, format string, args ...any) {
	t.fail(key, hint, false, format, args...)
}

func (t *Table) fail(key, hint string, missing bool, format string, args ...any) {
	t.doc.problems = append(t.doc.problems, &Error{
		missing: missing,
		File:    t.doc.file, Line: t.Line(key), Err: fmt.Errorf(format, args...), Advice: hint,
	})
}

// Err returns the problem that stands first in the file, unknown keys included, or nil; what is
// missing comes after all others. It is asked once everything else was.
func (t *Table) Err() error {
	problems := slices.Clone(t.doc.problems)
	for _, table := range t.doc.tables {
		problems = append(problems, table.unknown()...)
	}
	if len(problems) == 0 {
		return nil
	}
	return slices.MinFunc(problems, func(a, b *Error) int {
		if a.missing != b.missing {
			if b.missing {
				return -1
			}
			return 1
		}
		return a.Line - b.Line
	})
}

// unknown returns a problem for each key that nobody asked for.
func (t *Table) unknown() []*Error {
	var problems []*Error
	for _, key := range slices.Sorted(maps.Keys(t.values)) {
		if slices.Contains(t.known, key) {
			continue
		}
		problems = append(problems, &Error{
			File: t.doc.file, Line: t.Line(key), Advice: Suggest(key, t.known),
			Err: fmt.Errorf("unknown key %q%s", key, t.where()),
		})
	}
	return problems
}

// where names the table for messages: nothing for the document itself.
func (t *Table) where() string {
	if t.path == "" {
		return ""
	}
	name, _, _ := strings.Cut(t.path, "[")
	return " in [" + name + "]"
}

// String returns the text that key holds.
func (t *Table) String(key string) string { return ask[string](t, key, "a text in quotes") }

// Int returns the whole number that key holds.
func (t *Table) Int(key string) int64 { return ask[int64](t, key, "a whole number") }

// Bool returns whether key is true.
func (t *Table) Bool(key string) bool { return ask[bool](t, key, "true or false") }

// Strings returns the list of texts that key holds.
func (t *Table) Strings(key string) []string {
	list := ask[[]any](t, key, "a list of texts")
	texts := make([]string, 0, len(list))
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			t.Failf(key, "", "%s%s must be a list of texts, but one of it is %s", key, t.where(),
				describe(v))
			return nil
		}
		texts = append(texts, text)
	}
	return texts
}

// Table returns the table [key].
func (t *Table) Table(key string) *Table {
	values := ask[map[string]any](t, key, "a table ["+key+"]")
	child := t.doc.table(join(t.path, key), values)
	child.broken = values == nil
	return child
}

// Tables returns the tables [[key]] in the order of the file. There may be none.
func (t *Table) Tables(key string) []*Table {
	if !t.Has(key) {
		return nil
	}
	list := ask[[]any](t, key, "tables [["+key+"]]")
	tables := make([]*Table, 0, len(list))
	for i, v := range list {
		values, ok := v.(map[string]any)
		if !ok {
			t.Failf(key, "", "%s%s must be tables [[%s]], but one of it is %s", key, t.where(), key,
				describe(v))
			return nil
		}
		tables = append(tables, t.doc.table(element(join(t.path, key), i), values))
	}
	return tables
}

// ask returns the value of a key that must be there, and notes a problem if it is not.
func ask[T any](t *Table, key, want string) T {
	var zero T
	value, ok := t.Take(key)
	if !ok {
		if !t.broken {
			t.fail(key, "", true, "%s is missing%s; it must be %s", key, t.where(), want)
		}
		return zero
	}
	typed, ok := value.(T)
	if !ok {
		t.Failf(key, "", "%s%s must be %s, not %s", key, t.where(), want, describe(value))
		return zero
	}
	return typed
}

// describe names a value of the wrong type without quoting all of it.
func describe(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("the text %.40q", v)
	case int64, float64:
		return fmt.Sprintf("the number %v", v)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case time.Time:
		return "a time"
	}
	return "a date or time"
}
