package pbft_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCatalogueOfBugs holds BUGS.md to what it says: each bug of PROTOCOL §3 has its row, in order; each
// test or file that a row gives exists; and one of them names the bug, or else the row gives a reason
// why there is none.
func TestCatalogueOfBugs(t *testing.T) {
	text, err := os.ReadFile("BUGS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range wrongRows(string(text), testsUnder(t, "..")) {
		t.Error(wrong)
	}
}

// The check of the catalogue notices what it is there for.
func TestCatalogueOfBugsIsChecked(t *testing.T) {
	row := func(id int, here, remark string) string {
		return fmt.Sprintf("| B%d | system | what | %s | %s |\n", id, here, remark)
	}
	rest := func(first int) string {
		var rows strings.Builder
		for id := first; id <= bugs; id++ {
			rows.WriteString(row(id, "", "cannot be, by some rule"))
		}
		return rows.String()
	}
	found := map[string]string{"pbft.TestOne": "// B1: something", "pbft.TestTwo": "// B12"}
	if wrong := wrongRows(row(1, "`pbft.TestOne`", "")+rest(2), found); len(wrong) > 0 {
		t.Fatalf("a good catalogue is refused: %v", wrong)
	}
	for name, text := range map[string]string{
		"no row":                     rest(2),
		"the last row missing":       strings.TrimSuffix(rest(1), row(bugs, "", "cannot be, by some rule")),
		"a row twice":                rest(1) + row(bugs, "", "cannot be, by some rule"),
		"no test that exists":        row(1, "`pbft.TestOne`, `pbft.TestNone`", "") + rest(2),
		"a file that does not exist": row(1, "`pbft.TestOne`, `pbft/testdata/none.txt`", "") + rest(2),
		"a test of another bug":      row(1, "`pbft.TestTwo`", "") + rest(2),
		"neither test nor reason":    row(1, "", "") + rest(2),
		"a column missing":           "| B1 | system | what | `pbft.TestOne` |\n" + rest(2),
	} {
		if len(wrongRows(text, found)) == 0 {
			t.Errorf("%s: it is not noticed", name)
		}
	}
}

// bugs is the number of bugs in PROTOCOL §3.
const bugs = 57

var inTicks = regexp.MustCompile("`([a-z0-9_/-]+(?:\\.(?:Test|Fuzz)\\w+|\\.txt))`")

// wrongRows tells what is wrong with a catalogue. The text of each test, or of each file, tells
// whether it names a bug.
func wrongRows(catalogue string, tests map[string]string) (wrong []string) {
	next := 1
	for line := range strings.SplitSeq(catalogue, "\n") {
		if !strings.HasPrefix(line, "| B") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		id := strings.TrimSpace(cells[0])
		if want := fmt.Sprintf("B%d", next); id != want {
			wrong = append(wrong, fmt.Sprintf("row %s stands where %s should", id, want))
		}
		next++
		if len(cells) != 5 {
			wrong = append(wrong, fmt.Sprintf("%s has %d columns", id, len(cells)))
			continue
		}
		wrong = append(wrong, wrongRow(id, cells[3], strings.TrimSpace(cells[4]), tests)...)
	}
	if next != bugs+1 {
		wrong = append(wrong, fmt.Sprintf("%d rows, want %d", next-1, bugs))
	}
	return wrong
}

func wrongRow(id, here, remark string, tests map[string]string) (wrong []string) {
	given := inTicks.FindAllStringSubmatch(here, -1)
	if got := strings.Count(here, "`"); got != 2*len(given) {
		wrong = append(wrong, id+": not everything in ticks is a test or a file: "+here)
	}
	if len(given) == 0 && remark == "" {
		wrong = append(wrong, id+" has neither a test nor a reason")
	}
	named := len(given) == 0
	names := regexp.MustCompile(`\b` + id + `\b`)
	for _, g := range given {
		text, known := tests[g[1]]
		if !known {
			wrong = append(wrong, fmt.Sprintf("%s: there is no %s", id, g[1]))
		}
		named = named || names.MatchString(text)
	}
	if !named {
		wrong = append(wrong, id+" is named by none of its tests")
	}
	return wrong
}

// testsUnder reads all tests of the module, with their comments, and the scripts in its testdata.
func testsUnder(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		short, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		short = filepath.ToSlash(short)
		test, script := strings.HasSuffix(path, "_test.go"), strings.HasSuffix(path, ".txt")
		if !test && !script {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if script {
			found[short] = string(text)
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, is := decl.(*ast.FuncDecl)
			if !is || f.Recv != nil {
				continue
			}
			start := f.Pos()
			if f.Doc != nil {
				start = f.Doc.Pos()
			}
			name := filepath.ToSlash(filepath.Dir(short)) + "." + f.Name.Name
			found[name] = string(text[files.Position(start).Offset:files.Position(f.End()).Offset])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 300 {
		t.Fatalf("only %d tests found", len(found))
	}
	return found
}

// TestFoundBugsAreHeld holds FOUND.md to what it says: the tests and files of each row exist, and no
// row is without one.
func TestFoundBugsAreHeld(t *testing.T) {
	text, err := os.ReadFile("FOUND.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, rows := testsUnder(t, ".."), 0
	commit := regexp.MustCompile(`^[0-9a-f]{7}(, [0-9a-f]{7})*$`)
	for line := range strings.SplitSeq(string(text), "\n") {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") ||
			strings.HasPrefix(line, "| what") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 4 || !commit.MatchString(strings.TrimSpace(cells[2])) {
			t.Errorf("not a row: %s", line)
			continue
		}
		given := inTicks.FindAllStringSubmatch(cells[3], -1)
		if got := strings.Count(cells[3], "`"); got != 2*len(given) || len(given) == 0 {
			t.Errorf("what holds this is no test and no file: %s", cells[0])
		}
		for _, g := range given {
			if _, known := tests[g[1]]; !known {
				t.Errorf("there is no %s", g[1])
			}
		}
	}
	if rows < 50 {
		t.Errorf("%d rows", rows)
	}
}
