package pbft_test

import (
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The core is a function of its inputs: no clock, no I/O, no goroutine, no randomness, no log, no
// floating point, and no order of a map in what it does. A loop over a map says in a comment why
// its order does not matter ("any order"), or that it is sorted ("sorted below").
func TestCoreIsPure(t *testing.T) {
	exports := exportData(t)
	for dir, allowed := range map[string][]string{
		".":         {"byzd/crypto", "byzd/pbft/message", "byzd/pbft/quorum"},
		"./message": {"byzd/crypto", "byzd/pbft/quorum"},
		"./quorum":  nil,
	} {
		p := parseCore(t, dir, exports)
		for _, file := range p.files {
			p.imports(file, allowed)
			ast.Inspect(file, func(n ast.Node) bool {
				p.node(file, n)
				return true
			})
		}
	}
}

// std lists the packages of the standard library that compute and do nothing else.
func std() []string {
	return []string{
		"bytes", "cmp", "encoding/binary", "errors", "fmt", "iter", "maps", "math/bits", "slices", "strings",
	}
}

// exportData asks the go command where the compiled forms of all dependencies are.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps",
		"-f", "{{.ImportPath}}={{.Export}}", "byzd/pbft").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		exports[path] = file
	}
	return exports
}

// core is one package, parsed and with its types.
type core struct {
	t     *testing.T
	set   *token.FileSet
	files []*ast.File
	info  *types.Info
}

func parseCore(t *testing.T, dir string, exports map[string]string) *core {
	t.Helper()
	p := &core{t: t, set: token.NewFileSet(), info: &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{},
	}}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(p.set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		p.files = append(p.files, file)
	}
	find := func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, errors.New("no export data for " + path)
		}
		return os.Open(exports[path])
	}
	conf := types.Config{Importer: importer.ForCompiler(p.set, "gc", find)}
	if _, err := conf.Check(dir, p.set, p.files, p.info); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *core) fail(n ast.Node, what string) {
	p.t.Errorf("%v: %s", p.set.Position(n.Pos()), what)
}

func (p *core) imports(file *ast.File, allowed []string) {
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			p.t.Fatal(err)
		}
		if !slices.Contains(std(), path) && !slices.Contains(allowed, path) {
			p.fail(spec, "the core may not import "+path)
		}
	}
}

func (p *core) node(file *ast.File, n ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		p.fail(n, "a goroutine")
	case *ast.ChanType, *ast.SelectStmt:
		p.fail(n, "a channel")
	case *ast.RangeStmt:
		if _, is := p.info.TypeOf(n.X).Underlying().(*types.Map); is && !p.excused(file, n) {
			p.fail(n, "a loop over a map that does not say why its order does not matter")
		}
		if inner, is := n.X.(*ast.CallExpr); is && strings.HasPrefix(p.callee(inner), "maps.") {
			p.fail(n, "a loop over a map's elements, not sorted")
		}
	case *ast.CallExpr:
		p.call(n)
	case ast.Expr:
		if b, is := p.info.TypeOf(n).(*types.Basic); is && b.Info()&types.IsFloat != 0 {
			p.fail(n, "a floating-point number")
		}
	}
}

// call refuses output, and keys or values of a map that are not sorted at once.
func (p *core) call(n *ast.CallExpr) {
	name := p.callee(n)
	if strings.HasPrefix(name, "fmt.Print") || strings.HasPrefix(name, "fmt.Fprint") ||
		strings.HasPrefix(name, "fmt.Scan") || name == "print" || name == "println" {
		p.fail(n, "input or output: "+name)
	}
	if strings.HasPrefix(name, "slices.Sorted") {
		return
	}
	for _, arg := range n.Args {
		inner, is := arg.(*ast.CallExpr)
		if is && (p.callee(inner) == "maps.Keys" || p.callee(inner) == "maps.Values") {
			p.fail(n, "a map's elements, not sorted")
		}
	}
}

func (*core) callee(n *ast.CallExpr) string {
	switch f := n.Fun.(type) {
	case *ast.SelectorExpr:
		if pkg, is := f.X.(*ast.Ident); is {
			return pkg.Name + "." + f.Sel.Name
		}
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// excused reports whether a comment on the loop's line says that its order does not matter.
func (p *core) excused(file *ast.File, n ast.Node) bool {
	line := p.set.Position(n.Pos()).Line
	for _, group := range file.Comments {
		for _, c := range group.List {
			if p.set.Position(c.Pos()).Line == line &&
				(strings.Contains(c.Text, "any order") || strings.Contains(c.Text, "sorted below")) {
				return true
			}
		}
	}
	return false
}
