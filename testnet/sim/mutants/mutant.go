package mutants

import (
	"bufio"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Mutant is one entry of the list: a bug, the reason why there can be none, or the part of the
// program that it waits for.
type Mutant struct {
	ID    string // M1 to M72 of VERIFY §10, R1 to R19 of PROTOCOL §4.0, C3 is the canary
	Name  string
	Bugs  []string // the real bugs of PROTOCOL §3 that it repeats
	Edits []Edit
	Kills []Layer // who must find it, then who is asked if that fails

	Impossible []Edit // places with an empty New: the code that rules it out
	Why        string // in words, of Impossible and Later
	Later      bool   // it is about a part that does not exist yet
}

// Edit is a text that must occur exactly once in a file, and what replaces it.
type Edit struct {
	File     string // from the module's root
	Old, New string
}

//go:embed list/*.txt
var lists embed.FS

// List reads the whole list, in the order of the numbers.
func List() ([]*Mutant, error) {
	files, err := lists.ReadDir("list")
	if err != nil {
		return nil, err
	}
	var list []*Mutant
	for _, f := range files {
		text, err := lists.ReadFile("list/" + f.Name())
		if err != nil {
			return nil, err
		}
		some, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("list/%s: %w", f.Name(), err)
		}
		list = append(list, some...)
	}
	slices.SortStableFunc(list, func(a, b *Mutant) int { return order(a.ID) - order(b.ID) })
	return list, nil
}

// order sorts M before R before anything else, each by number. A letter behind the number stands
// for another way to make the same mistake.
func order(id string) int {
	n, err := strconv.Atoi(strings.TrimRight(id[1:], "bcde"))
	if err != nil {
		n = 0
	}
	group := strings.IndexByte("MR", id[0])
	if group < 0 {
		group = 2
	}
	return group*1000 + n
}

// parser reads one file of the list, see DESIGN.md.
type parser struct {
	list []*Mutant
	file string // that the next edit is in
	last byte   // the sign of the line before: '-' or '+' go on
}

func parse(text string) ([]*Mutant, error) {
	p := parser{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		if err := p.line(lines.Text()); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return p.list, lines.Err()
}

func (p *parser) line(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	last := p.last
	p.last = 0
	switch {
	case strings.TrimSpace(line) == "" || word == "#":
		return nil
	case word == "mutant":
		id, name, _ := strings.Cut(rest, " ")
		p.list, p.file = append(p.list, &Mutant{ID: id, Name: name}), ""
		return nil
	case len(p.list) == 0:
		return fmt.Errorf("%q stands before the first mutant", line)
	}
	m := p.list[len(p.list)-1]
	switch word {
	case "bug":
		m.Bugs = strings.Fields(rest)
	case "file":
		p.file = rest
	case "-", "+":
		return p.edit(m, word[0], last, rest)
	case "kill", "then":
		layer, err := parseLayer(rest)
		if err != nil {
			return err
		}
		m.Kills = append(m.Kills, layer)
	case "impossible":
		file, text, _ := strings.Cut(rest, ": ")
		m.Impossible = append(m.Impossible, Edit{File: file, Old: text})
	case "later":
		m.Later, m.Why = true, rest
	case "why":
		m.Why = strings.TrimSpace(m.Why + " " + rest)
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	return nil
}

// edit adds a line to the old ('-') or the new ('+') text of an edit. The first '-' after anything
// else begins one.
func (p *parser) edit(m *Mutant, sign, last byte, text string) error {
	p.last = sign
	if sign == '-' && last != '-' {
		if p.file == "" {
			return errors.New("an edit without a file")
		}
		m.Edits = append(m.Edits, Edit{File: p.file, Old: text})
		return nil
	}
	if len(m.Edits) == 0 || last == 0 {
		return fmt.Errorf("%c without a - before it", sign)
	}
	e := &m.Edits[len(m.Edits)-1]
	switch {
	case sign == '-':
		e.Old += "\n" + text
	case last == '+':
		e.New += "\n" + text
	default:
		e.New = text
	}
	return nil
}
