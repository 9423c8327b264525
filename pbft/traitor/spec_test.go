package traitor

import (
	"errors"
	"strings"
	"testing"
)

// Every behaviour can be given by name alone, and every spec is written as it is read.
func TestParseWritesWhatItReads(t *testing.T) {
	texts := names()
	texts = append(
		texts,
		"mute:to=1+2",
		"mute:to=not:3,kind=prepare+commit,p=0.3",
		"equivocate-preprepare:to=half,from-seq=10",
		"equivocate-votes:with=0+3,seed=7",
		"equivocate-votes:with=none",
		"corrupt:after=5s,once",
		"slow-primary:delay=300ms,from-view=1,to-view=0",
		"censor:to=one,from-seq=5,to-seq=5,from-view=2,to-view=2",
		"slow-primary:to-view=0",
		"swim-false-dead:to=listeners,victims=not:1+2",
		"ack-and-forget:p=1",
	)
	for _, text := range texts {
		s, err := Parse(text)
		if text == "slow-primary:delay=300ms,from-view=1,to-view=0" {
			if err == nil {
				t.Errorf("%q has an empty window", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if s.String() != text {
			t.Errorf("%q is written as %q", text, s)
		}
	}
}

func TestParseReadsConditions(t *testing.T) {
	s, err := Parse("mute:to=not:3+1,p=0.25,from-seq=2,to-seq=9,from-view=1,to-view=4," +
		"after=1500ms,once,kind=vote+status,with=2+0,seed=11")
	if err != nil {
		t.Fatal(err)
	}
	if s.To.Choice != Except || len(s.To.Nodes) != 2 || s.To.Nodes[0] != 1 || s.P != 0.25 ||
		s.FromSeq != 2 || s.ToSeq != 9 || s.FromView != 1 || s.ToView != 4 || !s.EndsInView ||
		s.After != 1500 || !s.Once || len(s.Kinds) != 2 || len(s.With) != 2 || s.With[0] != 0 ||
		s.Seed != 11 || !s.Seeded {
		t.Errorf("read as %+v", s)
	}
}

// Each error names the bad part and says what to write instead.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, part, hint string }{
		{"", "", "byzd traitor list"},
		{"mut", "mut", `"mute"`},
		{"equivocate-vote", "equivocate-vote", `"equivocate-votes"`},
		{"quantum-entanglement", "quantum-entanglement", "byzd traitor list"},
		{"Mute", "Mute", `"mute"`},
		{"mute:", "", "mute takes"},
		{"mute:t0=all", "t0", `"to"`},
		{"mute:from_seq=3", "from_seq", `"from-seq"`},
		{"mute:delay=3s", "delay", "mute takes"},
		{"mute:colour=red", "colour", "mute takes"},
		{"slow-primary:victims=1", "victims", "slow-primary takes"},
		{"mute:to=al", "to=al", `"all"`},
		{"mute:to=halve", "to=halve", `"half"`},
		{"mute:to=listeners", "to=listeners", "to=all"},
		{"mute:to=", "to=", "to=all"},
		{"mute:to", "to", "to=all"},
		{"mute:to=1+x", "to=1+x", "to=1+2"},
		{"mute:to=1+1", "to=1+1", "leave one out"},
		{"mute:to=not:", "to=not:", "not:3"},
		{"mute:to=-1", "to=-1", "to=1+2"},
		{"mute:p=2", "p=2", "p=0.3"},
		{"mute:p=0", "p=0", "p=0.3"},
		{"mute:p=NaN", "p=NaN", "p=0.3"},
		{"mute:from-seq=-1", "from-seq=-1", "from-seq=10"},
		{"mute:from-seq=99999999999999999999", "from-seq=99999999999999999999", "from-seq=10"},
		{"mute:to-seq=0", "to-seq=0", "to-seq=10"},
		{"mute:from-seq=9,to-seq=2", "from-seq=9,to-seq=2", "exchange"},
		{"mute:from-view=9,to-view=2", "from-view=9,to-view=2", "exchange"},
		{"mute:after=5", "after=5", "after=5s"},
		{"mute:after=-5s", "after=-5s", "after=5s"},
		{"slow-primary:delay=2h", "delay=2h", "delay=5s"},
		{"mute:once=yes", "once=yes", "just once"},
		{"mute:once,once", "once", "leave one out"},
		{"mute:kind=vot", "kind=vot", `"vote"`},
		{"mute:kind=comit", "kind=comit", `"commit"`},
		{"mute:kind=vote+vote", "kind=vote+vote", "leave one out"},
		{"mute:with=all", "with=all", "with=0+3"},
		{"mute:seed=x", "seed=x", "seed=10"},
		{"mute:to=1,,p=1", "", "mute takes"},
		{"swim-false-dead:once", "once", "swim-false-dead takes"},
	} {
		_, err := Parse(c.text)
		var spec *SpecError
		if !errors.As(err, &spec) {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if spec.Spec != c.text || spec.Part != c.part {
			t.Errorf("%q: blames %q of %q, not %q", c.text, spec.Part, spec.Spec, c.part)
		}
		if !strings.Contains(spec.Hint(), c.hint) {
			t.Errorf("%q: hint %q, not %q", c.text, spec.Hint(), c.hint)
		}
		if !strings.Contains(err.Error(), c.part) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %q", c.text, err)
		}
	}
}

func TestContradictionsAreRefused(t *testing.T) {
	for _, c := range []struct {
		specs string
		legal bool
	}{
		{"mute equivocate-votes", false},
		{"corrupt mute", false},
		{"mute:kind=vote corrupt", true},
		{"mute:to=1 corrupt", true},
		{"mute:p=0.5 corrupt", true},
		{"mute lie-reply", true},
		{"mute swim-false-dead", true},
		{"mute mute", false},
		{"mute:to-seq=9 mute:from-seq=10", true},
		{"mute:from-seq=10 mute:to-seq=9", true},
		{"mute:to-seq=9 mute:from-seq=9", false},
		{"mute:to-view=3 equivocate-votes:from-view=4", true},
		{"equivocate-preprepare equivocate-per-peer", false},
		{"equivocate-votes wrong-digest", false},
		{"silent-new-primary newview-wrong", false},
		{"view-change-spam vc-hide-prepared", false},
		{"ack-and-forget lie-reply", false},
		{"lie-reply contradict", false},
		{"slow-primary bad-signature impersonate replay-old censor", true},
	} {
		var specs []Spec
		for text := range strings.FieldsSeq(c.specs) {
			s, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			specs = append(specs, s)
		}
		err := Check(specs)
		var spec *SpecError
		if c.legal != (err == nil) || err != nil && (!errors.As(err, &spec) || spec.Hint() == "") {
			t.Errorf("%s: %v", c.specs, err)
		}
	}
}

// The catalogue has what was promised, once, with something to say about everything.
func TestCatalogue(t *testing.T) {
	promised := "mute ack-and-forget process-and-mute contradict equivocate-preprepare " +
		"equivocate-per-peer equivocate-votes bad-signature impersonate corrupt replay-old " +
		"wrong-digest withhold-commit silent-new-primary slow-primary censor view-change-spam " +
		"duplicate-request wrong-root wrong-state two-bundles vc-hide-prepared fork-views newview-wrong " +
		"lie-reply swim-false-dead"
	seen := map[string]bool{}
	for _, b := range Catalogue() {
		if seen[b.Name] {
			t.Errorf("%s stands in it twice", b.Name)
		}
		seen[b.Name] = true
		if b.Summary == "" || b.Detail == "" || b.Defence == "" || b.Group == "" {
			t.Errorf("%s is not described", b.Name)
		}
		if got, err := Explain(b.Name); err != nil || got.Name != b.Name {
			t.Errorf("%s is not explained: %v", b.Name, err)
		}
	}
	for name := range strings.FieldsSeq(promised) {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
	if _, err := Explain("mutter"); err == nil {
		t.Error("mutter is explained")
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range names() {
		f.Add(text + ":to=not:1+2,p=0.5,after=3s")
	}
	f.Add("mute:kind=prepare,once,with=none,seed=1")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || again.String() != s.String() {
			t.Errorf("%q is written as %q, which is read as %q, %v", text, s, again, err)
		}
	})
}
