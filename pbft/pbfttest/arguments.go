package pbfttest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// arguments are those of one command. The first error is kept.
type arguments struct {
	args []Arg
	used []string
	err  string
}

func (a *arguments) fail(format string, args ...any) {
	if a.err == "" {
		a.err = fmt.Sprintf(format, args...)
	}
}

func (a *arguments) find(key string) ([]string, bool) {
	a.used = append(a.used, key)
	for _, arg := range a.args {
		if arg.Key == key {
			return arg.Vals, true
		}
	}
	return nil, false
}

func (a *arguments) has(key string) bool {
	_, found := a.find(key)
	return found
}

func (a *arguments) text(key, otherwise string) string {
	vals, found := a.find(key)
	if !found || len(vals) == 0 {
		return otherwise
	}
	return strings.Join(vals, ",")
}

func (a *arguments) number(key string, otherwise int64) int64 {
	vals, found := a.find(key)
	if !found {
		return otherwise
	}
	if len(vals) == 1 {
		if n, err := strconv.ParseInt(vals[0], 10, 64); err == nil {
			return n
		}
	}
	a.fail("%s must be a number", key)
	return 0
}

// nodes reads replica numbers; nil if the key is not there.
func (a *arguments) nodes(key string, n int) []int {
	vals, found := a.find(key)
	if !found {
		return nil
	}
	list := make([]int, 0, len(vals))
	for _, v := range vals {
		i, err := strconv.Atoi(v)
		if err != nil || i < 0 || i >= n {
			a.fail("%s=%s: there are nodes 0 to %d", key, v, n-1)
			return nil
		}
		list = append(list, i)
	}
	return list
}

// node reads the one replica that a command is about.
func (a *arguments) node(key string, n int) int {
	list := a.nodes(key, n)
	if len(list) != 1 {
		a.fail("%s must name one node", key)
		return 0
	}
	return list[0]
}

// first takes a bare word, such as what to show.
func (a *arguments) first() string {
	if len(a.args) == 0 {
		a.fail("a word is missing")
		return ""
	}
	a.used = append(a.used, a.args[0].Key)
	return a.args[0].Key
}

func (a *arguments) unused() string {
	for _, arg := range a.args {
		if !slices.Contains(a.used, arg.Key) {
			return "unknown argument " + arg.Key
		}
	}
	return ""
}
