package mutants

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Layer is one way to look for a bug: some tests of a package, or the simulator.
type Layer struct {
	Text  string // as it stands in the list
	Pkg   string // of the tests; empty for the simulator
	Run   string // which of them
	Extra []string
	Seeds int // of the simulator
	Hangs bool
	Limit time.Duration
}

// The limits of the layers. They end what hangs, and are far above what a layer takes even on a
// machine with other work; running into one kills a mutant only where the list says "hangs".
const (
	testLimit = 5 * time.Minute
	simLimit  = 10 * time.Minute
	hangLimit = 45 * time.Second
)

// parseLayer reads what stands behind "kill" or "then":
//
//	test PKG REGEX [hangs]    tests of a package
//	golden NAME               a story of pbft/testdata, or . for all
//	walk N                    N random walks of pbft
//	scope                     X1: every state of a small scope
//	twins                     scenarios of two replicas with one key
//	sim N                     the simulator, seeds 1 to N
func parseLayer(text string) (Layer, error) {
	l := Layer{Text: text, Limit: testLimit}
	words := strings.Fields(text)
	if n := len(words); n > 0 && words[n-1] == "hangs" {
		l.Hangs, l.Limit, words = true, hangLimit, words[:n-1]
	}
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	var err error
	switch arg(0) {
	case "test":
		l.Pkg, l.Run = "./"+arg(1), arg(2)
	case "golden":
		l.Pkg, l.Run = "./pbft", "^TestGoldenTraces$"
		if arg(1) != "." {
			l.Run += "/" + arg(1)
		}
	case "walk":
		l.Pkg, l.Run, l.Extra = "./pbft", "^TestRandomWalks$", []string{"-walk-seeds=" + arg(1)}
	case "scope":
		l.Pkg, l.Run = "./testnet/sim/scope", "^TestX1IsExhaustedAndHolds$"
	case "twins":
		l.Pkg, l.Run = "./testnet/sim/twins", "^TestScenariosAreSafeAndLive$"
	case "sim":
		if !l.Hangs {
			l.Limit = simLimit
		}
		l.Seeds, err = strconv.Atoi(arg(1))
	default:
		err = errors.New("unknown layer")
	}
	if err != nil || l.Seeds == 0 && (l.Run == "" || l.Pkg == "./") {
		return l, fmt.Errorf("%q is no layer", text)
	}
	return l, nil
}

// name is what the table calls the layer.
func (l *Layer) name() string {
	word, _, _ := strings.Cut(l.Text, " ")
	if word == "test" {
		return strings.TrimPrefix(l.Pkg, "./")
	}
	return word
}
