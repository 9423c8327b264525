package strict

import (
	"errors"
	"strings"
	"testing"
)

// read asks a document the questions of these tests.
func read(text string) error {
	doc, err := Parse("x.toml", []byte(text))
	if err != nil {
		return err
	}
	doc.String("name")
	doc.Int("count")
	if doc.Has("open") {
		doc.Bool("open")
	}
	if doc.Has("tags") {
		doc.Strings("tags")
	}
	if doc.Has("params") {
		doc.Table("params").Int("window")
	}
	for _, m := range doc.Tables("member") {
		m.String("peer")
	}
	return doc.Err()
}

const good = "name = \"a\" # comment\ncount = 1\n"

func TestReader_AcceptsWhatItAsksFor(t *testing.T) {
	for _, text := range []string{
		good,
		good + "open = true\ntags = [\"x\",\n\"y\"]\n[params]\nwindow = 1_000\n",
		good + "params.window = 4\nmember = [{peer = \"a\"}]\n",
		"# first\r\n\r\n" + good + "[[member]]\npeer = 'a'\n[[member]]\npeer = 'b'\n",
	} {
		if err := read(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestReader_NamesLineAndRemedy(t *testing.T) {
	for name, c := range map[string]struct{ text, want, hint string }{
		"unknown key": {good + "\nopne = true\n", `x.toml:4: unknown key "opne"`, `"open"`},
		"nothing near": {
			good + "zzzzzz = 1\n", `x.toml:3: unknown key "zzzzzz"`,
			"known here are name,",
		},
		"unknown table": {
			good + "[parms]\nwindow = 1\n", `x.toml:3: unknown key "parms"`,
			`"params"`,
		},
		"in a table": {
			good + "[params]\n\nwindow = 1\nwidnow = 2\n",
			`x.toml:6: unknown key "widnow" in [params]`, `"window"`,
		},
		"in the second element": {
			good + "[[member]]\npeer = 'a'\n[[member]]\n# a comment\npeer = 'b'\npere = 'c'\n",
			`x.toml:8: unknown key "pere" in [member]`, `"peer"`,
		},
		"inline": {
			good + "member = [{peer = 'a'}, {peer = 'b', pear = 'c'}]\n",
			`x.toml:3: unknown key "pear" in [member]`, `"peer"`,
		},
		"dotted": {
			good + "params.window = 1\nparams.x = 2\n",
			`x.toml:4: unknown key "x" in`, "",
		},
		"missing":         {"count = 1\n", `x.toml: name is missing; it must be a text`, ""},
		"misspelt":        {"nmae = 'a'\ncount = 1\n", `x.toml:1: unknown key "nmae"`, `"name"`},
		"missing inside":  {good + "[params]\n", "x.toml:3: window is missing in [params]", ""},
		"missing element": {good + "[[member]]\n", "x.toml:3: peer is missing in [member]", ""},
		"number for text": {
			"name = 7\ncount = 1\n",
			"x.toml:1: name must be a text in quotes, not the number 7", "",
		},
		"text for number": {
			"name = 'a'\ncount = 'b'\n",
			`x.toml:2: count must be a whole number, not the text "b"`, "",
		},
		"fraction": {
			"name = 'a'\ncount = 1.5\n",
			"x.toml:2: count must be a whole number, not the number 1.5", "",
		},
		"text for bool": {good + "open = 'yes'\n", "x.toml:3: open must be true or false", ""},
		"text for list": {
			good + "tags = 'x'\n",
			"x.toml:3: tags must be a list of texts, not the text", "",
		},
		"mixed list": {
			good + "tags = ['x', 2]\n",
			"x.toml:3: tags must be a list of texts, but one", "",
		},
		"value for table": {
			good + "params = 3\n",
			"x.toml:3: params must be a table [params], not the number 3", "",
		},
		"table for list": {
			good + "[member]\npeer = 'a'\n",
			"x.toml:3: member must be tables [[member]], not a table", "",
		},
		"list of values": {
			good + "member = [1]\n",
			"x.toml:3: member must be tables [[member]], but one", "",
		},
		"time": {
			"name = 2020-01-01\ncount = 1\n",
			"x.toml:1: name must be a text in quotes, not a date", "",
		},
		"duplicate": {good + "name = 'b'\n", "x.toml:3: key name is already defined", "remove one"},
		"second table": {
			good + "[params]\nwindow = 1\n[params]\n",
			"x.toml:5: table params already exists", "remove one",
		},
		"torn":         {good + "open = ", "x.toml:3: ", "KEY = VALUE"},
		"no value":     {"name\n", "x.toml:1: expected '='", "KEY = VALUE"},
		"not UTF-8":    {"name = '\xff'\n", "x.toml:1: invalid UTF-8", "UTF-8"},
		"first of two": {good + "opne = 1\ntags = 3\n", "x.toml:3: ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := read(c.text)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Hint(), c.hint) {
				t.Errorf("hint %q, want %q in it", e.Hint(), c.hint)
			}
		})
	}
}

// A document that is all depth costs no more than its size.
func TestParse_OfGreatDepth(t *testing.T) {
	for name, text := range map[string]string{
		"dotted": strings.Repeat("a.", 100_000) + "a = 1\n",
		"header": "[" + strings.Repeat("a.", 100_000) + "a]\n",
		"lists":  "a = " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "\n",
	} {
		if err := read(text); err == nil || len(err.Error()) > 200 {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"listen", "gossip", "join", "log-level", "log-format"}
	for word, want := range map[string]string{
		"lisen": "listen", "log_level": "log-level", "logformat": "log-format", "jion": "join",
		"x": "", "": "", "operator": "", strings.Repeat("join", 1000): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good + "[params]\nwindow = 1\n[[member]]\npeer = 'a'\n" +
		"[member.x]\ny.z = [{a = 1}]\n"))
	f.Add([]byte("a.b.c = 1\n[[a.d]]\n[[a.d]]\n[a.d.e]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := Parse("x.toml", data)
		if err != nil {
			return
		}
		for key := range doc.values {
			if doc.Line(key) == 0 {
				t.Errorf("no line for %q", key)
			}
		}
		_ = read(string(data))
	})
}
