package traitor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Spec is one behaviour with its conditions: what, when, to whom, with whom. [Parse] makes it from
// the text of a command line or a scenario. The zero value of a condition leaves it out.
type Spec struct { //nolint:recvcheck // a value that is built in place
	Behaviour string // a name of the catalogue

	FromSeq, ToSeq   uint64  // sequence numbers, both included; ToSeq 0 means no end
	FromView, ToView uint64  // views, both included
	EndsInView       bool    // ToView counts (view 0 exists, so 0 cannot mean "no end")
	After            int64   // milliseconds after it was armed
	P                float64 // probability of each lie; 0 means always
	Once             bool    // one lie, and honest ever after

	To      Targets  // whom it lies to
	Victims Targets  // whom the lie is about, where it is about somebody
	Kinds   []string // kinds of messages, where it can choose
	Delay   int64    // milliseconds, where it delays; 0 means the behaviour's default

	With   []int // its accomplices' node numbers
	Alone  bool  // it has none, whatever the testnet says
	Seed   uint64
	Seeded bool // Seed was given

	keys []string // as they were given, for String
}

// Choice says how targets are chosen.
type Choice uint8

// The choices. Default leaves it to the behaviour.
const (
	Default   Choice = iota
	All              // everybody
	Half             // half of them; which half follows from the seed
	One              // one of them, likewise
	Only             // the listed ones
	Except           // all but the listed ones
	Listeners        // whoever listens to gossip
)

// Targets are the nodes that a behaviour aims at.
type Targets struct {
	Choice Choice
	Nodes  []int // of Only and Except
}

// String is the value as it is written in a spec.
func (t Targets) String() string {
	switch t.Choice {
	case All:
		return "all"
	case Half:
		return "half"
	case One:
		return "one"
	case Only:
		return joinNodes(t.Nodes)
	case Except:
		return "not:" + joinNodes(t.Nodes)
	case Listeners:
		return "listeners"
	case Default:
	}
	return ""
}

func joinNodes(nodes []int) string {
	words := make([]string, len(nodes))
	for i, n := range nodes {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, "+")
}

// String is the spec as it is written on a command line; [Parse] gives it back.
func (s Spec) String() string {
	parts := make([]string, 0, len(s.keys))
	for _, key := range s.keys {
		if value := s.value(key); value != "" {
			parts = append(parts, key+"="+value)
		} else {
			parts = append(parts, key)
		}
	}
	if len(parts) == 0 {
		return s.Behaviour
	}
	return s.Behaviour + ":" + strings.Join(parts, ",")
}

func (s *Spec) value(key string) string {
	switch key {
	case keyTo:
		return s.To.String()
	case keyVictims:
		return s.Victims.String()
	case keyP:
		return strconv.FormatFloat(s.P, 'g', -1, 64)
	case keyFromSeq:
		return strconv.FormatUint(s.FromSeq, 10)
	case keyToSeq:
		return strconv.FormatUint(s.ToSeq, 10)
	case keyFromView:
		return strconv.FormatUint(s.FromView, 10)
	case keyToView:
		return strconv.FormatUint(s.ToView, 10)
	case keyAfter:
		return (time.Duration(s.After) * time.Millisecond).String()
	case keyDelay:
		return (time.Duration(s.Delay) * time.Millisecond).String()
	case keyKind:
		return strings.Join(s.Kinds, "+")
	case keyWith:
		if s.Alone {
			return wordNone
		}
		return joinNodes(s.With)
	case keySeed:
		return strconv.FormatUint(s.Seed, 10)
	}
	return ""
}

// The keys of the grammar.
const (
	keyTo       = "to"
	keyVictims  = "victims"
	keyP        = "p"
	keyFromSeq  = "from-seq"
	keyToSeq    = "to-seq"
	keyFromView = "from-view"
	keyToView   = "to-view"
	keyAfter    = "after"
	keyOnce     = "once"
	keyKind     = "kind"
	keyWith     = "with"
	keySeed     = "seed"
	keyDelay    = "delay"

	wordNone = "none"
)

// whenKeys are what every behaviour understands.
func whenKeys() []string {
	return []string{
		keyP, keyFromSeq, keyToSeq, keyFromView, keyToView, keyAfter, keyOnce, keySeed,
	}
}

// Parse reads BEHAVIOUR[:key=value[,key=value]...]. The error is a [SpecError].
func Parse(text string) (Spec, error) {
	name, rest, keyed := strings.Cut(text, ":")
	b, found := behaviour(name)
	if !found {
		return Spec{}, &SpecError{
			Spec: text, Part: name, Problem: "there is no such behaviour",
			Advice: advise(name, names(), "byzd traitor list shows them all"),
		}
	}
	s := Spec{Behaviour: name}
	if !keyed {
		return s, nil
	}
	for part := range strings.SplitSeq(rest, ",") {
		if err := s.set(b, part); err != nil {
			err.Spec = text
			return Spec{}, err
		}
	}
	if err := s.window(); err != nil {
		err.Spec = text
		return Spec{}, err
	}
	return s, nil
}

// set takes in one key=value.
func (s *Spec) set(b *Behaviour, part string) *SpecError {
	key, value, valued := strings.Cut(part, "=")
	switch {
	case part == "":
		return &SpecError{
			Problem: "a key is missing", Advice: b.Name + " takes " + strings.Join(b.Keys, ", "),
		}
	case !slices.Contains(b.Keys, key):
		return unknownKey(b, key)
	case slices.Contains(s.keys, key):
		return &SpecError{Part: part, Problem: key + " is given twice", Advice: "leave one out"}
	case key == keyOnce && valued:
		return &SpecError{Part: part, Problem: "once takes no value", Advice: "write just once"}
	case key != keyOnce && value == "":
		return &SpecError{Part: part, Problem: key + " wants a value", Advice: example(key)}
	}
	s.keys = append(s.keys, key)
	if problem := s.assign(b, key, value); problem != nil {
		problem.Part = part
		if problem.Advice == "" {
			problem.Advice = example(key)
		}
		return problem
	}
	return nil
}

func unknownKey(b *Behaviour, key string) *SpecError {
	e := &SpecError{
		Part: key, Problem: "there is no such key",
		Advice: advise(key, b.Keys, b.Name+" takes "+strings.Join(b.Keys, ", ")),
	}
	if slices.Contains(allKeys(), key) {
		e.Problem = b.Name + " does not take this key"
		e.Advice = b.Name + " takes " + strings.Join(b.Keys, ", ")
	}
	return e
}

func allKeys() []string {
	return append(whenKeys(), keyTo, keyVictims, keyKind, keyWith, keyDelay)
}

// example shows how a key is written.
func example(key string) string {
	switch key {
	case keyTo:
		return "write to=all, to=half, to=one, to=1+2 or to=not:3"
	case keyVictims:
		return "write victims=all, victims=one, victims=1+2 or victims=not:3"
	case keyP:
		return "write a probability above 0 and at most 1, for instance p=0.3"
	case keyAfter, keyDelay:
		return "write a time of up to an hour, for instance " + key + "=5s or " + key + "=300ms"
	case keyKind:
		return "write kinds of messages, for instance kind=prepare+commit"
	case keyWith:
		return "write node numbers, for instance with=0+3, or with=none"
	}
	return "write a number, for instance " + key + "=10"
}

func (s *Spec) assign(b *Behaviour, key, value string) *SpecError {
	var err *SpecError
	switch key {
	case keyTo:
		s.To, err = parseTargets(value, b.targets)
	case keyVictims:
		s.Victims, err = parseTargets(value, []Choice{All, One})
	case keyP:
		s.P, err = parseProbability(value)
	case keyFromSeq:
		s.FromSeq, err = parseNumber(value)
	case keyToSeq:
		if s.ToSeq, err = parseNumber(value); err == nil && s.ToSeq == 0 {
			err = &SpecError{Problem: "sequence numbers start at 1"}
		}
	case keyFromView:
		s.FromView, err = parseNumber(value)
	case keyToView:
		s.EndsInView = true
		s.ToView, err = parseNumber(value)
	case keyAfter:
		s.After, err = parseTime(value)
	case keyDelay:
		s.Delay, err = parseTime(value)
	case keyOnce:
		s.Once = true
	case keyKind:
		s.Kinds, err = parseKinds(value)
	case keyWith:
		if s.Alone = value == wordNone; !s.Alone {
			s.With, err = parseNodes(value)
		}
	case keySeed:
		s.Seeded = true
		s.Seed, err = parseNumber(value)
	}
	return err
}

// window refuses conditions that can never hold together.
func (s *Spec) window() *SpecError {
	switch {
	case s.ToSeq > 0 && s.FromSeq > s.ToSeq:
		return &SpecError{
			Part:    fmt.Sprintf("from-seq=%d,to-seq=%d", s.FromSeq, s.ToSeq),
			Problem: "this window is empty", Advice: "exchange the two numbers",
		}
	case s.EndsInView && s.FromView > s.ToView:
		return &SpecError{
			Part:    fmt.Sprintf("from-view=%d,to-view=%d", s.FromView, s.ToView),
			Problem: "this window is empty", Advice: "exchange the two numbers",
		}
	}
	return nil
}

func parseNumber(value string) (uint64, *SpecError) {
	n, err := strconv.ParseUint(value, 10, 62)
	if err != nil {
		return 0, &SpecError{Problem: fmt.Sprintf("%q is not a number below 2^62", value)}
	}
	return n, nil
}

func parseProbability(value string) (float64, *SpecError) {
	p, err := strconv.ParseFloat(value, 64)
	if err != nil || !(p > 0 && p <= 1) { // NaN is refused, too
		return 0, &SpecError{Problem: fmt.Sprintf("%q is not a probability", value)}
	}
	return p, nil
}

// parseTime returns milliseconds.
func parseTime(value string) (int64, *SpecError) {
	d, err := time.ParseDuration(value)
	if err != nil || d < time.Millisecond || d > time.Hour {
		return 0, &SpecError{Problem: fmt.Sprintf("%q is not a time from 1ms to 1h", value)}
	}
	return d.Milliseconds(), nil
}

func parseTargets(value string, legal []Choice) (Targets, *SpecError) {
	if value[0] >= '0' && value[0] <= '9' {
		nodes, err := parseNodes(value)
		return Targets{Choice: Only, Nodes: nodes}, err
	}
	if list, except := strings.CutPrefix(value, "not:"); except {
		nodes, err := parseNodes(list)
		return Targets{Choice: Except, Nodes: nodes}, err
	}
	words := []string{"not:NODE"}
	for _, c := range legal {
		word := Targets{Choice: c}.String()
		if word == value {
			return Targets{Choice: c}, nil
		}
		words = append(words, word)
	}
	return Targets{}, &SpecError{
		Problem: fmt.Sprintf("%q names no nodes", value), Advice: advise(value, words, ""),
	}
}

func parseNodes(value string) ([]int, *SpecError) {
	var nodes []int
	for word := range strings.SplitSeq(value, "+") {
		n, err := strconv.ParseUint(word, 10, 16)
		if err != nil {
			return nil, &SpecError{Problem: fmt.Sprintf("%q is not a node's number", word)}
		}
		if slices.Contains(nodes, int(n)) {
			return nil, &SpecError{
				Problem: fmt.Sprintf("node %d is listed twice", n), Advice: "leave one out",
			}
		}
		nodes = append(nodes, int(n))
	}
	slices.Sort(nodes)
	return nodes, nil
}

func parseKinds(value string) ([]string, *SpecError) {
	kinds := strings.Split(value, "+")
	for i, kind := range kinds {
		if !slices.Contains(messageKinds(), kind) {
			return nil, &SpecError{
				Problem: fmt.Sprintf("there is no message of kind %q", kind),
				Advice: advise(kind, messageKinds(),
					"the kinds are "+strings.Join(messageKinds(), ", ")),
			}
		}
		if slices.Contains(kinds[:i], kind) {
			return nil, &SpecError{
				Problem: fmt.Sprintf("kind %q is listed twice", kind), Advice: "leave one out",
			}
		}
	}
	return kinds, nil
}
