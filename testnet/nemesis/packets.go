package nemesis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// packetFaults let the kernel do to the packets between nodes what networks do: it needs root and
// iptables. The rules name the nodes' ports and nothing else, in chains of this process's own,
// which are taken away when the fault is healed, when the run ends, and by the next run if this one
// crashes.
func packetFaults() []*Fault {
	rules := func(
		name, text string, hits target, slows bool, missing func() string, act ...string,
	) *Fault {
		return &Fault{
			Name: name, Text: text, hits: hits, Slows: slows, missing: missing,
			Needs: "root, and iptables", byPacket: true, undo: letPass,
			do: func(ctx context.Context, s *strike) error {
				return s.filter(ctx, "tcp udp", act...)
			},
		}
	}
	const (
		rarely = "-m statistic --mode random --probability 0.002"
		often  = "-m statistic --mode random --probability 0.1"
		refuse = "-j REJECT --reject-with tcp-reset"
	)
	reset := rules("connections-reset",
		"the kernel resets connections between nodes, one in 500 packets", nobody, true,
		lacks("-A INPUT -p tcp "+rarely+" "+refuse))
	reset.do = func(ctx context.Context, s *strike) error {
		return s.filter(ctx, "tcp", rarely, refuse)
	}
	marks := lacks("-t mangle -A OUTPUT -m owner --gid-owner 1 -j MARK --set-mark 1",
		"-A INPUT -p tcp -m mark --mark 1 -j DROP")
	return []*Fault{
		rules("packets-dropped-one", "the kernel drops all that a node sends to others", one, false,
			marks, "-j DROP"),
		rules("packets-dropped-primary", "the kernel drops all that the primary sends to others",
			primary, false, marks, "-j DROP"),
		rules("packets-lost", "the kernel loses 10 % of the packets between nodes", nobody, true,
			lacks("-A INPUT -p tcp "+often+" -j DROP"), often, "-j DROP"),
		reset,
	}
}

// lacks says why the kernel cannot apply some rules here; empty if it can.
func lacks(rules ...string) func() string {
	return func() string {
		if why := noTool("iptables"); why != "" {
			return why
		}
		for _, rule := range rules {
			if err := toolApart("iptables", strings.Fields(rule)...); err != nil {
				return "the kernel cannot do that: " + err.Error()
			}
		}
		return ""
	}
}

// noTool says why a tool cannot be used here; empty if it can.
func noTool(name string) string {
	if os.Geteuid() != 0 {
		return "it needs root"
	}
	if _, err := exec.LookPath(name); err != nil {
		return "there is no " + name + " here"
	}
	return ""
}

// groupBase is the group of node 0 in a run in which the kernel has to tell who sends. It is nobody
// else's, as far as one can know.
const groupBase = 0x62790000

// group is that of a node, and the mark of its packets.
func group(node int) string { return strconv.Itoa(groupBase + node) }

// chain is the name of this process's chains.
func chain() string { return chainPrefix + strconv.Itoa(os.Getpid()) }

const chainPrefix = "byzd-nemesis-"

// betweenNodes lists what matches packets between the nodes of a testnet: those from and to the
// ports on which nodes hear each other.
func (s *strike) betweenNodes(protocols string) ([]string, error) {
	st, err := s.world.net.State()
	if err != nil {
		return nil, err
	}
	var list []string
	for i := range st.Nodes {
		for _, address := range []string{st.Nodes[i].Listen, st.Nodes[i].Gossip} {
			port := address[strings.LastIndexByte(address, ':')+1:]
			if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
				return nil, fmt.Errorf("node %d has no port in %q", i, address)
			}
			for protocol := range strings.FieldsSeq(protocols) {
				list = append(list, "-p "+protocol+" --dport "+port,
					"-p "+protocol+" --sport "+port)
			}
		}
	}
	return list, nil
}

// filter lets the kernel do something to packets between nodes, if the fault has victims only to
// those that they send, and waits until it has done so. It is done where packets arrive: a sender
// would be told otherwise.
func (s *strike) filter(ctx context.Context, protocols string, act ...string) error {
	packets, err := s.betweenNodes(protocols)
	if err != nil {
		return err
	}
	var text strings.Builder
	match := ""
	if len(s.nodes) > 0 {
		node := group(s.nodes[0])
		match = " -m mark --mark " + node
		fmt.Fprintf(&text, "*mangle\n:%s - [0:0]\n-A %[1]s -m owner --gid-owner %s -j MARK "+
			"--set-mark %[2]s\n-I OUTPUT -o lo -j %[1]s\nCOMMIT\n", chain(), node)
	}
	fmt.Fprintf(&text, "*filter\n:%s - [0:0]\n", chain())
	for _, p := range packets {
		fmt.Fprintf(&text, "-A %s %s%s %s\n", chain(), p, match, strings.Join(act, " "))
	}
	fmt.Fprintf(&text, "-I INPUT -i lo -j %s\nCOMMIT\n", chain())
	s.clean = func() { _ = removeChains(chain()) }
	if err := restoreRules(text.String()); err != nil {
		return err
	}
	s.event.What = strings.Join(act, " ")
	return s.untilHit(ctx, "filter")
}

// untilHit waits until the rules of a table have met a packet.
func (s *strike) untilHit(ctx context.Context, table string) error {
	return s.world.until(ctx, func(context.Context) string {
		hits, err := hitsOf(table)
		if err != nil {
			return err.Error()
		}
		if hits == 0 {
			return "the kernel has met no packet between nodes"
		}
		s.event.done("the kernel acted on %d packets at once", hits)
		return ""
	})
}

// letPass takes the rules away, and says how much they met.
func letPass(_ context.Context, s *strike) error {
	if hits, err := hitsOf("filter"); err == nil && s.event.Done {
		s.event.How += fmt.Sprintf(", %d in the end", hits)
	}
	err := removeChains(chain())
	if err == nil {
		s.clean = nil
	}
	return err
}

// restoreRules adds rules, all of a table or none.
func restoreRules(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), toolTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "iptables-restore", "--wait", "5", "--noflush")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("iptables-restore: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// iptables reads from the kernel's tables.
func iptables(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), toolTime)
	defer cancel()
	args = append([]string{"--wait", "5"}, args...)
	out, err := exec.CommandContext(ctx, "iptables", args...).Output() //nolint:gosec // our words
	if err != nil {
		return "", fmt.Errorf("iptables: %w", err)
	}
	return string(out), nil
}

// hitsOf counts the packets that the rules of this process in a table have met.
func hitsOf(table string) (sum uint64, err error) {
	text, err := iptables("-t", table, "-nvxL", chain())
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 0 {
			if n, err := strconv.ParseUint(fields[0], 10, 64); err == nil {
				sum += n
			}
		}
	}
	return sum, err
}

// removeChains takes away a chain and what leads to it, from all tables in which it is.
func removeChains(name string) error {
	var errs []error
	for _, table := range []string{"filter", "mangle"} {
		text, err := iptables("-t", table, "-S")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found := false
		for line := range strings.Lines(text) {
			words := strings.Fields(line)
			found = found || slices.Equal(words, []string{"-N", name})
			if at := len(words) - 2; at > 0 && words[at] == "-j" && words[at+1] == name {
				words[0] = "-D"
				words = append([]string{"-w", "5", "-t", table}, words...)
				errs = append(errs, tool("iptables", words...))
			}
		}
		if found {
			errs = append(errs, tool("iptables", "-w", "5", "-t", table, "-F", name),
				tool("iptables", "-w", "5", "-t", table, "-X", name))
		}
	}
	return errors.Join(errs...)
}

// sweep takes away what runs that crashed have left in the kernel.
func sweep() error {
	if noTool("iptables") != "" {
		return sweepLoopback()
	}
	var errs []error
	for _, table := range []string{"filter", "mangle"} {
		text, err := iptables("-t", table, "-S")
		errs = append(errs, err)
		for line := range strings.Lines(text) {
			name, is := strings.CutPrefix(strings.TrimSpace(line), "-N "+chainPrefix)
			pid, err := strconv.Atoi(name)
			if is && err == nil && (pid == os.Getpid() || gone(pid)) {
				errs = append(errs, removeChains(chainPrefix+name))
			}
		}
	}
	return errors.Join(append(errs, sweepLoopback())...)
}
