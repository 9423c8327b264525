package judge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"byzd/pbft/message"
)

// split is issue 2's case: two of four collude.
func split(t *testing.T) (*cluster, *History, *Verdict) {
	t.Helper()
	c := newCluster(t, 4, ed25519)
	c.runFor(1000, nil)
	c.some(3)
	l := c.logs(0, 1)
	top := l.top(t)
	a, _ := c.batch(top, 0, c.bundle(3, 900, "x", "left"))
	b, _ := c.batch(top, 0, c.bundle(3, 901, "x", "right"))
	l.decide(c, []int{2}, a, 0, 0, 1, 2)
	l.decide(c, []int{3}, b, 0, 0, 1, 3)
	h := l.history()
	return c, h, Judge(h, nil)
}

func TestProofsAreLeftForStrangers(t *testing.T) {
	c, h, v := split(t)
	dir := EvidenceDir(t.TempDir())
	if err := h.WriteProofs(v, dir); err != nil {
		t.Fatal(err)
	}
	if len(v.Evidence) != len(v.Proofs) || len(v.Evidence) != 4 {
		t.Fatalf("%d files of %d proofs", len(v.Evidence), len(v.Proofs))
	}
	list, err := ListProofs(c.cfg, nil, dir)
	if err != nil || len(list) != 4 {
		t.Fatalf("%d listed, %v", len(list), err)
	}
	for i, p := range v.Evidence {
		if !filepath.IsAbs(p.File) {
			t.Errorf("%s is not absolute", p.File)
		}
		e, err := ReadProof(c.cfg, nil, p.File)
		if err != nil || e.Culprit != p.Culprit.Number || e.Kind.String() != p.Kind {
			t.Errorf("%s: %v", p.File, err)
		}
		if list[i].Err != nil {
			t.Errorf("%s: %v", list[i].Name, list[i].Err)
		}
	}
	// Once more: the same files. A damaged one is made anew.
	if err := os.WriteFile(v.Evidence[0].File, []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, _ = ListProofs(c.cfg, nil, dir); list[0].Err == nil {
		t.Error("a damaged proof was listed as good")
	}
	v.Evidence = nil
	if err := h.WriteProofs(v, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadProof(c.cfg, nil, v.Evidence[0].File); err != nil {
		t.Error(err)
	}
	if list, err := ListProofs(c.cfg, nil, filepath.Join(dir, "none")); err != nil || len(list) != 0 {
		t.Errorf("a directory that is not there: %d, %v", len(list), err)
	}
}

func TestDescribeSaysWhoDidWhat(t *testing.T) {
	_, _, v := split(t)
	for _, p := range v.Proofs {
		text := Describe("node 7", p.Evidence)
		if !strings.HasPrefix(text, "node 7 signed two ") || !strings.Contains(text, "view 0") ||
			strings.Contains(text, "?") {
			t.Errorf("%v: %s", p.Kind, text)
		}
	}
	for kind := range message.EvidenceKind(20) {
		if text := Describe("x", &message.Evidence{Kind: kind}); !strings.HasPrefix(text, "x") {
			t.Errorf("%v: %s", kind, text)
		}
	}
}
