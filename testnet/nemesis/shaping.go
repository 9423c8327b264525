package nemesis

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// shapingFaults let the kernel make the ways between nodes narrow, or slow: it needs root, iptables
// and tc. What the nodes send to each other goes through classes of a queue that the loopback
// device gets for as long as that lasts; everything else goes past them.
func shapingFaults() []*Fault {
	shape := func(name, text, needs string, missing func() string, class, queue string) *Fault {
		return &Fault{
			Name: name, Text: text, hits: nobody, Slows: true,
			Needs: needs, missing: missing, byPacket: true,
			do: func(ctx context.Context, s *strike) error {
				return s.shape(ctx, class, queue)
			},
			undo: unshape,
		}
	}
	const late = "netem delay 100ms 50ms 25% loss 1% duplicate 5% corrupt 0.1% limit 10000"
	return []*Fault{
		shape("narrow", "no node sends more than 1 Mbit/s to the others", "root, iptables and tc",
			noShaping("htb"), "rate 1mbit ceil 1mbit burst 16k", ""),
		shape("packets-late", "packets between nodes take 100 ± 50 ms, some are lost, doubled, "+
			"reordered and corrupted", "root, iptables, tc and its netem",
			noShaping(late), "rate 10gbit", late),
	}
}

// noShaping says why the loopback device cannot get such a queue here; empty if it can.
func noShaping(queue string) func() string {
	return func() string {
		for _, name := range []string{"iptables", "tc"} {
			if why := noTool(name); why != "" {
				return why
			}
		}
		args := append(strings.Fields("qdisc add dev lo root"), strings.Fields(queue)...)
		if err := toolApart("tc", args...); err != nil {
			kind, _, _ := strings.Cut(queue, " ")
			return "tc has no " + kind + " here: " + err.Error()
		}
		if text, err := loopbackQueue(); err != nil {
			return err.Error()
		} else if text != "" && !strings.Contains(text, queueHandle) {
			return "the loopback device is shaped already: " + text
		}
		return lacks("-t mangle -A POSTROUTING -p tcp -m owner --gid-owner 1 " +
			"-j CLASSIFY --set-class 1:1")()
	}
}

// queueHandle tells our queue from others.
const queueHandle = "6279:"

// loopbackQueue says what queue the loopback device has, empty for none.
func loopbackQueue() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), toolTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "tc", "qdisc", "show", "dev", "lo", "root").Output()
	if err != nil {
		return "", fmt.Errorf("tc: %w", err)
	}
	text := strings.TrimSpace(string(out))
	if strings.HasPrefix(text, "qdisc noqueue") {
		return "", nil
	}
	return text, nil
}

// shape gives each node a class of its own for what it sends to others.
func (s *strike) shape(ctx context.Context, class, queue string) error {
	packets, err := s.betweenNodes("tcp udp")
	if err != nil {
		return err
	}
	release, err := lockLoopback()
	if err != nil {
		return err
	}
	s.clean = func() {
		_ = errors.Join(removeChains(chain()), dropQueue())
		release()
	}
	var text strings.Builder
	fmt.Fprintf(&text, "*mangle\n:%s - [0:0]\n", chain())
	err = tool("tc", "qdisc", "add", "dev", "lo", "root", "handle", queueHandle, "htb")
	for i := range s.world.sizes[0] {
		id := fmt.Sprintf("%s%x", queueHandle, i+1)
		words := "class add dev lo parent " + queueHandle + " classid " + id + " htb " + class
		err = errors.Join(err, tool("tc", strings.Fields(words)...))
		if queue != "" {
			words = "qdisc add dev lo parent " + id + " " + queue
			err = errors.Join(err, tool("tc", strings.Fields(words)...))
		}
		for _, p := range packets {
			fmt.Fprintf(&text, "-A %s %s -m owner --gid-owner %s -j CLASSIFY --set-class %s\n",
				chain(), p, group(i), id)
		}
	}
	fmt.Fprintf(&text, "-I POSTROUTING -o lo -j %s\nCOMMIT\n", chain())
	if err == nil {
		err = restoreRules(text.String())
	}
	if err != nil {
		return err
	}
	s.event.What = strings.TrimSpace(class + " " + queue)
	return s.untilHit(ctx, "mangle")
}

// unshape takes the queue away, and says how much went through it.
func unshape(_ context.Context, s *strike) error {
	if hits, err := hitsOf("mangle"); err == nil && s.event.Done {
		s.event.How += fmt.Sprintf(", %d in the end", hits)
	}
	if s.clean != nil {
		s.clean()
		s.clean = nil
	}
	if text, err := loopbackQueue(); err != nil || strings.Contains(text, queueHandle) {
		return errors.Join(err, fmt.Errorf("the loopback device is still shaped: %s", text))
	}
	return nil
}

func dropQueue() error {
	return tool("tc", "qdisc", "del", "dev", "lo", "root", "handle", queueHandle)
}

// sweepLoopback takes away the queue of a run that crashed: nobody holds its lock.
func sweepLoopback() error {
	if noTool("tc") != "" {
		return nil
	}
	text, err := loopbackQueue()
	if err != nil || !strings.Contains(text, queueHandle) {
		return err
	}
	release, err := lockLoopback()
	if err != nil {
		return nil // whoever has it runs
	}
	defer release()
	return dropQueue()
}
