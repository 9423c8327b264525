package strict

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Parse reads a TOML document. file is what errors call it.
func Parse(file string, data []byte) (*Table, error) {
	values := map[string]any{}
	if err := toml.Unmarshal(data, &values); err != nil {
		text := strings.TrimPrefix(err.Error(), "toml: ")
		e := &Error{File: file, Err: errors.New(text), Advice: adviceOn(text)}
		if at := new(toml.DecodeError); errors.As(err, &at) {
			e.Line, _ = at.Position()
		}
		return nil, e
	}
	lines, err := linesOf(data)
	if err != nil {
		return nil, &Error{File: file, Err: err, Advice: syntax}
	}
	doc := &document{file: file, lines: lines}
	return doc.table("", values), nil
}

// syntax is what helps whoever wrote something that is no TOML.
const syntax = "a line is KEY = VALUE, [TABLE], or a comment behind #; texts stand in quotes"

// adviceOn says what to do about an error of the decoder, which has only words for its kinds.
func adviceOn(text string) string {
	switch {
	case strings.Contains(text, "already defined"), strings.Contains(text, "already exists"):
		return "it may stand in the file once: remove one of the two"
	case strings.Contains(text, "UTF-8"):
		return "save the file as text in UTF-8"
	}
	return syntax
}

// document is what all tables of one file share.
type document struct {
	file     string
	lines    map[string]int // of each key, by its path
	tables   []*Table       // all that somebody asked for
	problems []*Error
}

func (d *document) table(path string, values map[string]any) *Table {
	t := &Table{doc: d, path: path, values: values}
	d.tables = append(d.tables, t)
	return t
}

// The decoder that gives the values forgets where they stood. linesOf walks the syntax once more
// and notes the line of every key: "params", "params.window", "member[2].name".
func linesOf(data []byte) (map[string]int, error) {
	w := walker{lines: map[string]int{}, elements: map[string]int{}}
	for i, b := range data {
		if b == '\n' {
			w.newlines = append(w.newlines, i)
		}
	}
	var p unstable.Parser
	p.Reset(data)
	for p.NextExpression() {
		w.expression(p.Expression())
	}
	if err := p.Error(); err != nil {
		return nil, fmt.Errorf("read syntax: %w", err)
	}
	return w.lines, nil
}

// pathMax bounds the paths that are noted: a key of many parts would cost the square of its length.
// No reader asks for anything so deep, so no message needs its line.
const pathMax = 1024

type walker struct {
	newlines []int          // offsets
	lines    map[string]int // by path
	elements map[string]int // so far, of each array of tables
	prefix   string         // the table that we are in
}

func (w *walker) expression(n *unstable.Node) {
	switch n.Kind { //nolint:exhaustive // an expression is nothing else
	case unstable.Table:
		w.prefix = w.enter("", n, false)
	case unstable.ArrayTable:
		w.prefix = w.enter("", n, true)
	case unstable.KeyValue:
		w.keyValue(w.prefix, n)
	}
}

// keyValue notes a key, and the keys in its value if that is an inline table.
func (w *walker) keyValue(prefix string, n *unstable.Node) {
	path := w.enter(prefix, n, false)
	w.value(path, n.Value())
}

func (w *walker) value(path string, v *unstable.Node) {
	if len(path) > pathMax {
		return
	}
	children := v.Children()
	switch v.Kind { //nolint:exhaustive // the others hold no keys
	case unstable.InlineTable:
		for children.Next() {
			w.keyValue(path, children.Node())
		}
	case unstable.Array:
		for i := 0; children.Next(); i++ {
			w.value(element(path, i), children.Node())
		}
	}
}

// enter notes the parts of a dotted key and returns the whole path. A part that names an array of
// tables means its last element, and as the last part of an array's header a new one.
func (w *walker) enter(path string, n *unstable.Node, array bool) string {
	parts := n.Key()
	for parts.Next() && len(path) <= pathMax {
		part := parts.Node()
		path = join(path, string(part.Data))
		if w.lines[path] == 0 {
			w.lines[path] = w.lineAt(int(part.Raw.Offset))
		}
		if array && parts.IsLast() {
			w.elements[path]++
		}
		if count := w.elements[path]; count > 0 {
			line := w.lineAt(int(part.Raw.Offset))
			path = element(path, count-1)
			if w.lines[path] == 0 {
				w.lines[path] = line
			}
		}
	}
	return path
}

func (w *walker) lineAt(offset int) int {
	before, _ := slices.BinarySearch(w.newlines, offset)
	return before + 1
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
