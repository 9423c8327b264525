package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrOptions says that a text is no list of options.
var ErrOptions = errors.New("sim: bad options")

// setting is a number of the options with its name.
type setting struct {
	name string
	get  func(*Options) int64
	set  func(*Options, int64)
}

// field makes a setting of a field of any number's type.
func field[T int | int64 | uint64](name string, at func(*Options) *T) setting {
	return setting{
		name: name,
		get:  func(o *Options) int64 { return int64(*at(o)) },
		set:  func(o *Options, v int64) { *at(o) = T(v) },
	}
}

func flag(name string, at func(*Options) *bool) setting {
	return setting{
		name: name,
		get: func(o *Options) int64 {
			if *at(o) {
				return 1
			}
			return 0
		},
		set: func(o *Options, v int64) { *at(o) = v != 0 },
	}
}

func settings() []setting {
	return []setting{
		field("n", func(o *Options) *int { return &o.N }),
		flag("real", func(o *Options) *bool { return &o.Real }),
		flag("codec", func(o *Options) *bool { return &o.Codec }),
		field("batch-requests", func(o *Options) *int { return &o.Params.MaxBatchRequests }),
		field("batch-bytes", func(o *Options) *int { return &o.Params.MaxBatchBytes }),
		field("bundle-bytes", func(o *Options) *int { return &o.Params.MaxBundleBytes }),
		field("in-flight", func(o *Options) *int { return &o.Params.InFlight }),
		field("checkpoint", func(o *Options) *uint64 { return &o.Params.CheckpointEvery }),
		field("window", func(o *Options) *uint64 { return &o.Params.Window }),
		field("rotate", func(o *Options) *uint64 { return &o.Params.RotateEvery }),
		field("timeout", func(o *Options) *int64 { return &o.Params.ViewTimeout }),
		field("timeout-max", func(o *Options) *int64 { return &o.Params.MaxViewTimeout }),
		field("tick", func(o *Options) *int64 { return &o.TickEvery }),
		field("delay", func(o *Options) *int64 { return &o.Delay }),
		field("sync", func(o *Options) *int64 { return &o.Sync }),
		field("turn", func(o *Options) *int64 { return &o.Turn }),
		field("segment", func(o *Options) *int64 { return &o.SegmentBytes }),
		field("snapshot-every", func(o *Options) *int64 { return &o.SnapshotEvery }),
		field("keep-batches", func(o *Options) *int { return &o.KeepBatches }),
		field("clients", func(o *Options) *int { return &o.Clients }),
		field("signed", func(o *Options) *int { return &o.Signed }),
		field("ops", func(o *Options) *int { return &o.Ops }),
		field("keys", func(o *Options) *int { return &o.Keys }),
		field("safety", func(o *Options) *int64 { return &o.Safety }),
		flag("rush", func(o *Options) *bool { return &o.Rush }),
		flag("steady", func(o *Options) *bool { return &o.Steady }),
		flag("beyond-f", func(o *Options) *bool { return &o.Beyond }),
		field("apart", func(o *Options) *int { return &o.Apart }),
		field("lying-disk", func(o *Options) *int { return &o.Charged }),
	}
}

// String lists the options on one line, from which [ParseOptions] reads them: times in ms, but
// delay, sync and turn in µs.
func (o *Options) String() string {
	var words []string
	for _, s := range settings() {
		words = append(words, fmt.Sprintf("%s=%d", s.name, s.get(o)))
	}
	for c, rate := range o.Rates {
		if rate > 0 {
			words = append(words, className[c]+"="+strconv.FormatFloat(rate, 'g', -1, 64))
		}
	}
	for _, t := range o.Traitors {
		words = append(words, fmt.Sprintf("traitor=%d(%s)", t.Node, strings.Join(t.Specs, " ")))
	}
	for _, i := range o.Twins {
		words = append(words, fmt.Sprintf("twin=%d", i))
	}
	for i := range o.Changes {
		words = append(words, "change="+o.Changes[i].String())
	}
	return strings.Join(words, " ")
}

// ParseOptions reads what [Options.String] wrote. What is not named keeps what base has; base may
// be those of a seed. The error wraps [ErrOptions].
func ParseOptions(base Options, text string) (Options, error) {
	base.Traitors, base.Twins, base.Rates = nil, nil, [classCount]float64{}
	base.Changes = nil
	for _, word := range splitOptions(text) {
		name, value, _ := strings.Cut(word, "=")
		if err := base.parse(name, value); err != nil {
			return base, fmt.Errorf("%w: %q: %w", ErrOptions, word, err)
		}
	}
	return base, nil
}

// splitOptions cuts a line into words; what stands in brackets stays together.
func splitOptions(text string) []string {
	depth := 0
	return strings.FieldsFunc(text, func(r rune) bool {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		return depth == 0 && (r == ' ' || r == '\t' || r == '\n')
	})
}

func (o *Options) parse(name, value string) error {
	for _, s := range settings() {
		if s.name == name {
			v, err := strconv.ParseInt(value, 10, 64)
			if err == nil {
				s.set(o, v)
			}
			return err
		}
	}
	for c := range o.Rates {
		if className[c] == name {
			rate, err := strconv.ParseFloat(value, 64)
			o.Rates[c] = rate
			return err
		}
	}
	switch name {
	case "twin":
		i, err := strconv.Atoi(value)
		o.Twins = append(o.Twins, i)
		return err
	case "change":
		c, err := parseChange(value)
		o.Changes = append(o.Changes, c)
		return err
	case "traitor":
		number, specs, _ := strings.Cut(strings.TrimSuffix(value, ")"), "(")
		i, err := strconv.Atoi(number)
		o.Traitors = append(o.Traitors, Traitor{Node: i, Specs: strings.Fields(specs)})
		return err
	}
	return errors.New("there is no such option")
}
