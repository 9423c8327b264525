package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/testnet"
	"byzd/testnet/load"
)

// The flags of bench.
const (
	flagVia         = "via"
	flagClients     = "clients"
	flagConnections = "connections"
	flagDuration    = "duration"
	flagTotal       = "total"
	flagWarmUp      = "warm-up"
	flagValueSize   = "value-size"
	flagKeys        = "keys"
	flagSeed        = "seed"
)

// benchTop bounds clients and connections, so that a typing error does not exhaust this machine.
const benchTop = 1 << 16

func benchCommand() *cli.Command {
	return &cli.Command{
		Name: "bench", Usage: "write as fast as the network allows, and measure it",
		Description: "Each client writes, waits for the answer, and writes again (a closed " +
			"loop). The clients are spread over all nodes that were not told to lie. --via says " +
			"how they write: etcd, one call of etcd's API for each put; order, many puts in a " +
			"frame, over few connections; signed, each client with a key of its own, believing " +
			"f+1 members.",
		Flags: clientFlags(
			&cli.StringFlag{
				Name: flagVia, Value: viaEtcd, Usage: "`WAY` to write: etcd, order or signed",
			},
			&cli.IntFlag{Name: flagClients, Value: 64, Usage: "`NUMBER` of clients"},
			&cli.IntFlag{
				Name:  flagConnections,
				Usage: "`NUMBER` of connections for etcd and order", DefaultText: "by clients",
			},
			&cli.DurationFlag{
				Name: flagDuration, Value: 10 * time.Second, Usage: "how long to measure",
			},
			&cli.Int64Flag{
				Name:  flagTotal,
				Usage: "measure this `NUMBER` of writes, however long it takes",
			},
			&cli.DurationFlag{
				Name: flagWarmUp, Value: 2 * time.Second,
				Usage: "write for this long before measuring",
			},
			&cli.IntFlag{Name: flagValueSize, Value: 256, Usage: "size of the values in `BYTES`"},
			&cli.IntFlag{Name: flagKeys, Value: 10_000, Usage: "`NUMBER` of different keys"},
			&cli.Uint64Flag{
				Name: flagSeed, Value: 1, Usage: "`NUMBER` that keys and values follow from",
			},
		),
		Action: bench,
	}
}

func bench(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, ""); err != nil {
		return err
	}
	if err := checkBench(c); err != nil {
		return err
	}
	target, err := benchTargetOf(c)
	if err != nil {
		return err
	}
	writers, stop, err := openWriters(c, target)
	if err != nil {
		return errors.Join(clientError(c, err), stop())
	}
	o := load.Options{
		Writers: writers, Duration: c.Duration(flagDuration), Total: c.Int64(flagTotal),
		WarmUp: c.Duration(flagWarmUp), ValueBytes: c.Int(flagValueSize), Keys: c.Int(flagKeys),
		Seed: c.Uint64(flagSeed), Limit: c.Duration(flagTimeout), Kind: errorKind,
	}
	if o.Total > 0 {
		o.Duration = 0
	}
	var cpu cpuMeter
	o.Begins = func() { cpu.begin(target.pids) }
	o.Ends = func() { cpu.end(target.pids) }
	line := newBenchProgress(c.App.ErrWriter)
	o.Progress = line.show
	r, err := load.Run(c.Context, &o)
	line.clear()
	if r != nil {
		err = errors.Join(showBench(c, target, r, &cpu), err)
	}
	return errors.Join(err, stop())
}

// checkBench refuses what makes no sense before anything is opened.
func checkBench(c *cli.Context) error {
	for _, flag := range []string{flagClients, flagValueSize, flagKeys, flagConnections} {
		low := 1
		if flag == flagValueSize || flag == flagConnections {
			low = 0
		}
		if n := c.Int(flag); n < low || flag != flagKeys && flag != flagValueSize && n > benchTop {
			return usagef("", "--%s %d is out of range", flag, n)
		}
	}
	if !slices.Contains([]string{viaEtcd, viaOrder, viaSigned}, c.String(flagVia)) {
		return usagef("the ways are etcd, order and signed",
			"there is no --via %q", c.String(flagVia))
	}
	for _, flag := range []string{flagDuration, flagTimeout} {
		if c.Duration(flag) <= 0 {
			return usagef("", "--%s %v leaves no time", flag, c.Duration(flag))
		}
	}
	if c.Duration(flagWarmUp) < 0 || c.Int64(flagTotal) < 0 {
		return usagef("", "--%s and --%s cannot be negative", flagWarmUp, flagTotal)
	}
	return nil
}

// benchTarget is whom the load is put on.
type benchTarget struct {
	endpoints []string
	pids      []int // of the nodes' processes, where they run on this machine
}

// benchTargetOf finds the nodes. Those that were told to lie are left out as endpoints; their
// processes count.
func benchTargetOf(c *cli.Context) (*benchTarget, error) {
	if c.IsSet(flagEndpoints) || c.String(flagHome) == "" {
		o, err := clientOptions(c)
		return &benchTarget{endpoints: o.Endpoints}, err
	}
	state, err := testnet.ReadState(c.String(flagHome))
	if err != nil {
		target := &benchTarget{}
		target.endpoints, err = endpointsOf(c.String(flagHome))
		return target, err
	}
	target := &benchTarget{}
	honest, others := sortNodes(state)
	for _, node := range honest {
		target.endpoints = append(target.endpoints, node.Client)
	}
	for _, node := range append(honest, others...) {
		target.pids = append(target.pids, node.PID)
	}
	if len(target.endpoints) == 0 {
		target.endpoints, err = testnetEndpoints(c.String(flagHome), state)
		return target, err
	}
	return target, nil
}

// cpuMeter takes the processor time of the nodes and of this process at two moments.
type cpuMeter struct {
	nodes, own   time.Duration
	nodesUnknown bool
	ownUnknown   bool
}

func (m *cpuMeter) begin(pids []int) {
	m.end(pids)
	m.nodes, m.own = -m.nodes, -m.own
}

// end adds what was used until now, from which begin has taken what was used before.
func (m *cpuMeter) end(pids []int) {
	m.nodesUnknown = m.nodesUnknown || len(pids) == 0
	for _, pid := range pids {
		used, err := load.CPUTime(pid)
		m.nodesUnknown = m.nodesUnknown || err != nil
		m.nodes += used
	}
	used, err := load.CPUTime(os.Getpid())
	m.ownUnknown = m.ownUnknown || err != nil
	m.own += used
}

// benchJSON is what a bench has measured. Times of the processors are per write, and missing where
// they are not known.
type benchJSON struct {
	Via        string            `json:"via"`
	Clients    int               `json:"clients"`
	Endpoints  int               `json:"endpoints"`
	ValueBytes int               `json:"value_bytes"`
	Seconds    float64           `json:"seconds"`
	Writes     uint64            `json:"writes"`
	PerSecond  float64           `json:"writes_per_second"`
	P50        float64           `json:"p50_ms"`
	P90        float64           `json:"p90_ms"`
	P99        float64           `json:"p99_ms"`
	Max        float64           `json:"max_ms"`
	Errors     map[string]uint64 `json:"errors"`
	NodesCPU   *float64          `json:"nodes_cpu_us,omitempty"`
	ClientCPU  *float64          `json:"client_cpu_us,omitempty"`
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func showBench(c *cli.Context, target *benchTarget, r *load.Report, cpu *cpuMeter) error {
	out := benchJSON{
		Via: c.String(flagVia), Clients: c.Int(flagClients), Endpoints: len(target.endpoints),
		ValueBytes: c.Int(flagValueSize), Seconds: r.Elapsed.Seconds(), Writes: r.Writes,
		PerSecond: r.PerSecond(), P50: milliseconds(r.P50), P90: milliseconds(r.P90),
		P99: milliseconds(r.P99), Max: milliseconds(r.Max), Errors: r.Errors,
	}
	perWrite := func(d time.Duration, unknown bool) *float64 {
		if unknown || r.Writes == 0 {
			return nil
		}
		us := float64(d) / float64(time.Microsecond) / float64(r.Writes)
		return &us
	}
	out.NodesCPU = perWrite(cpu.nodes, cpu.nodesUnknown)
	out.ClientCPU = perWrite(cpu.own, cpu.ownUnknown)
	if err := show(c, out, out.text()); err != nil {
		return err
	}
	if r.Writes == 0 && c.Err() == nil {
		return failf(exitNoProgress, "see byzd status", "no write was acknowledged")
	}
	return nil
}

// text is the report for people.
func (b *benchJSON) text() string {
	var s strings.Builder
	fmt.Fprintf(&s, "via %s: %d clients, %d endpoints, values of %d bytes, %.1f s\n",
		b.Via, b.Clients, b.Endpoints, b.ValueBytes, b.Seconds)
	fmt.Fprintf(&s, "writes    %d, %.0f/s\n", b.Writes, b.PerSecond)
	fmt.Fprintf(&s, "latency   p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, max %.2f ms\n",
		b.P50, b.P90, b.P99, b.Max)
	s.WriteString("errors    ")
	if len(b.Errors) == 0 {
		s.WriteString("none")
	}
	for i, kind := range slices.Sorted(maps.Keys(b.Errors)) {
		if i > 0 {
			s.WriteString(", ")
		}
		fmt.Fprintf(&s, "%s %d", kind, b.Errors[kind])
	}
	s.WriteString("\nCPU       ")
	for i, part := range []struct {
		name string
		us   *float64
	}{{"all nodes", b.NodesCPU}, {"bench", b.ClientCPU}} {
		if i > 0 {
			s.WriteString(", ")
		}
		if part.us == nil {
			s.WriteString(part.name + " not known")
		} else {
			fmt.Fprintf(&s, "%s %.1f µs per write", part.name, *part.us)
		}
	}
	return s.String()
}

// stopAll closes what was opened, in any order, and joins the errors.
func stopAll(closers []func() error) error {
	var failed error
	for _, c := range closers {
		failed = errors.Join(failed, c())
	}
	return failed
}
