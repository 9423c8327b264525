package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrScript says that a text is no kept case.
var ErrScript = errors.New("sim: bad script")

// clean is what a case wants in which no oracle finds anything.
const clean = "clean"

// Script writes a case as a text that one can read and that [ParseScript] reads:
//
//	# why it is kept
//	seed 17
//	options n=4 real=0 ...
//	only crash:1 drop:7
//	want clean
//
// Without "only" every fault strikes that the seed draws.
func (c *Case) Script(why string) string {
	var b strings.Builder
	for line := range strings.Lines(why) {
		fmt.Fprintf(&b, "# %s\n", strings.TrimSpace(line))
	}
	fmt.Fprintf(&b, "seed %d\noptions %s\n", c.Seed, c.Options.String())
	if c.Only != nil {
		b.WriteString("only")
		for _, d := range c.Only {
			fmt.Fprintf(&b, " %s:%d", d.Class, d.Nth)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "want %s\n", c.Want)
	return b.String()
}

// ParseScript reads a kept case. The error wraps [ErrScript] and names the line.
func ParseScript(text string) (Case, error) {
	c := Case{Want: clean}
	seeded := false
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		var err error
		switch word {
		case "", "#":
			continue
		case "seed":
			c.Seed, err = strconv.ParseUint(rest, 10, 64)
			c.Options, seeded = Draw(c.Seed), true
		case "options":
			c.Options, err = ParseOptions(c.Options, rest)
		case "only":
			c.Only, err = parseDecisions(rest)
		case "want":
			c.Want = rest
		default:
			err = errors.New("there is no such line")
		}
		if err == nil && !seeded {
			err = errors.New("the seed comes first")
		}
		if err != nil {
			return c, fmt.Errorf("%w: %q: %w", ErrScript, strings.TrimSpace(line), err)
		}
	}
	return c, nil
}

func parseDecisions(text string) ([]Decision, error) {
	list := []Decision{}
	for word := range strings.FieldsSeq(text) {
		name, number, _ := strings.Cut(word, ":")
		nth, err := strconv.Atoi(number)
		if err != nil {
			return nil, err
		}
		list = append(list, Decision{name, nth})
	}
	return list, nil
}
