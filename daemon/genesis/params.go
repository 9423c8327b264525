package genesis

import (
	"fmt"
	"strconv"

	"byzd/daemon/genesis/strict"
	"byzd/pbft/message"
)

// param is one key of [params]. Its name is the one that [message.Params.Validate] uses.
type param struct {
	name string
	note string // for people; holds the unit
	get  func(*message.Params) int64
	set  func(*message.Params, int64)
}

// params lists all parameters. The digest has them in this order: adding one needs a new Format.
func params() []param {
	return []param{
		number("max-batch-requests", "operations in one batch",
			func(p *message.Params) *int { return &p.MaxBatchRequests }),
		number("max-batch-bytes", "bytes in one batch",
			func(p *message.Params) *int { return &p.MaxBatchBytes }),
		number("max-bundle-bytes", "bytes that one gateway signs at once; bounds one request",
			func(p *message.Params) *int { return &p.MaxBundleBytes }),
		number("in-flight", "batches proposed and not yet committed",
			func(p *message.Params) *int { return &p.InFlight }),
		number("checkpoint-every", "batches between two checkpoints",
			func(p *message.Params) *uint64 { return &p.CheckpointEvery }),
		number("window", "batches between the watermarks; at least two checkpoints",
			func(p *message.Params) *uint64 { return &p.Window }),
		number("rotate-every", "batches after which the primary changes as planned; 0 = never",
			func(p *message.Params) *uint64 { return &p.RotateEvery }),
		number("view-timeout",
			"ms until a request that does not complete costs the primary its view",
			func(p *message.Params) *int64 { return &p.ViewTimeout }),
		number("max-view-timeout", "ms, what that grows to while nothing completes",
			func(p *message.Params) *int64 { return &p.MaxViewTimeout }),
		number("max-client-rows", "clients' sessions that are remembered, over all members",
			func(p *message.Params) *int { return &p.MaxClientRows }),
	}
}

func number[T int | int64 | uint64](
	name, note string, field func(*message.Params) *T,
) param {
	return param{
		name: name, note: note,
		get: func(p *message.Params) int64 { return int64(*field(p)) },
		set: func(p *message.Params, v int64) { *field(p) = T(v) },
	}
}

// ParamNames returns the keys of [params].
func ParamNames() []string {
	var names []string
	for _, p := range params() {
		names = append(names, p.name)
	}
	return names
}

// SetParam sets a parameter by its name, from text. It does not check the range:
// [message.Params.Validate] does, once all are set.
func SetParam(to *message.Params, name, value string) error {
	for _, p := range params() {
		if p.name != name {
			continue
		}
		v, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("%s must be a whole number, not %.40q", name, value)
		}
		p.set(to, v)
		return nil
	}
	return &adviceError{
		fmt.Errorf("there is no parameter %q", name), strict.Suggest(name, ParamNames()),
	}
}

// ParamValue is a parameter with its value, for people.
type ParamValue struct {
	Name  string
	Value int64
	About string
}

// ParamList returns all parameters in the order of the file.
func (g *Genesis) ParamList() []ParamValue { return ParamsOf(&g.Params) }

// ParamsOf returns the parameters of any epoch in the order of the genesis.
func ParamsOf(of *message.Params) []ParamValue {
	var list []ParamValue
	for _, p := range params() {
		list = append(list, ParamValue{Name: p.name, Value: p.get(of), About: p.note})
	}
	return list
}
