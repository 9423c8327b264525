package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"byzd/daemon/config"
	"byzd/daemon/operator"
)

// patience is the limit of everything that is waited for: ten times what an idle machine takes.
const patience = time.Minute

// contactInStory is the address that testdata/by-hand.txt names. The test lets the kernel choose.
const contactInStory = "127.0.0.1:7946"

// The commands that the README shows do what it says (issue 2, done when 2).
func TestByHand(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four nodes")
	}
	story, err := os.ReadFile(filepath.Join("testdata", "by-hand.txt"))
	if err != nil {
		t.Fatal(err)
	}
	inEmptyDir(t)
	s := startStory(t)
	lines := 0
	for line := range strings.Lines(string(story)) {
		if command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ "); ok {
			s.do(t, command)
			lines++
		}
	}
	if lines < 15 || len(s.nodes) != 4 {
		t.Fatalf("the story has %d commands and %d nodes", lines, len(s.nodes))
	}
	for home := range s.nodes {
		s.waitForAddresses(t, home)
	}

	// Ctrl-C leaves cleanly: no addresses, nobody waits, and the others saw it go.
	s.stop(t, "carol")
	if _, gone := os.Stat(config.Home("carol").Addresses()); !os.IsNotExist(gone) {
		t.Errorf("carol left its addresses: %v", gone)
	}
	refuses(t, exitNoProgress, "does not run", "byzd run --home carol", "members", "--home",
		"carol")
	waitForMember(t, "alice", "carol", func(m operator.Member) bool { return m.Swim != "alive" })

	// It comes back through another contact, on another port, and is found again.
	dave, err := config.Home("dave").ReadAddresses()
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, "byzd run --home carol --join "+dave.Gossip+" &")
	s.waitForAddresses(t, "carol")
	s.waitForAddresses(t, "alice")

	// A home in use is refused by name.
	refuses(t, exitFailed, "is held by process", "another --home", "run", "--home", "bob")
}

// story runs commands as a shell would, nodes in the background.
type story struct {
	bin     string // the directory of the program
	contact string // alice's real gossip address
	nodes   map[string]*background
}

type background struct {
	process *exec.Cmd
	ended   chan struct{}
	err     error // once ended is closed
	out     lockedBuffer
}

func startStory(t *testing.T) *story {
	t.Helper()
	s := &story{bin: asProgram(t), nodes: map[string]*background{}}
	t.Cleanup(func() {
		for home, node := range s.nodes {
			_ = node.process.Process.Kill() // it may have ended
			<-node.ended
			if t.Failed() {
				t.Logf("%s:\n%s", home, node.out.String())
			}
		}
	})
	return s
}

func (s *story) do(t *testing.T, command string) {
	t.Helper()
	if s.contact != "" {
		command = strings.ReplaceAll(command, contactInStory, s.contact)
	} else {
		command = strings.ReplaceAll(command, contactInStory, "127.0.0.1:0")
	}
	words := strings.Fields(command)
	switch {
	case words[0] == "cp":
		data, err := os.ReadFile(words[1])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(words[2], words[1]), data, 0o600); err != nil {
			t.Fatal(err)
		}
	case words[len(words)-1] == "&":
		s.start(t, words[3], words[1:len(words)-1])
	default:
		must(t, words[1:]...)
	}
}

// start runs a node and waits until it listens.
func (s *story) start(t *testing.T, home string, args []string) {
	t.Helper()
	node := &background{ended: make(chan struct{})}
	node.process = exec.CommandContext(context.WithoutCancel(t.Context()),
		filepath.Join(s.bin, "byzd"), args...)
	node.process.Stdout, node.process.Stderr = &node.out, &node.out
	if err := node.process.Start(); err != nil {
		t.Fatal(err)
	}
	s.nodes[home] = node
	go func() {
		defer close(node.ended)
		node.err = node.process.Wait()
	}()
	wait(t, home+" listens", func() bool {
		a, err := config.Home(home).ReadAddresses()
		if err == nil && home == "alice" {
			s.contact = a.Gossip
		}
		select {
		case <-node.ended:
			t.Fatalf("%s ended: %s", home, node.out.String())
		default:
		}
		return err == nil
	})
}

// stop is Ctrl-C.
func (s *story) stop(t *testing.T, home string) {
	t.Helper()
	node := s.nodes[home]
	if err := node.process.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-node.ended:
	case <-time.After(patience):
		t.Fatalf("%s does not end", home)
	}
	if node.err != nil {
		t.Errorf("%s: %v\n%s", home, node.err, node.out.String())
	}
	delete(s.nodes, home)
}

// waitForAddresses waits until a node knows where all members are now.
func (s *story) waitForAddresses(t *testing.T, home string) {
	t.Helper()
	for name := range s.nodes {
		a, err := config.Home(name).ReadAddresses()
		if err != nil {
			t.Fatal(err)
		}
		waitForMember(t, home, name, func(m operator.Member) bool {
			return m.Gossip == a.Gossip && m.Transport == a.Listen && (m.Self || m.Connected)
		})
	}
}

// waitForMember waits until byzd members at a node shows of a member what is wanted.
func waitForMember(t *testing.T, home, name string, want func(operator.Member) bool) {
	t.Helper()
	var last string
	wait(t, home+" sees "+name, func() bool {
		last = must(t, "members", "--home", home, "--json")
		var members []operator.Member
		if err := json.Unmarshal([]byte(last), &members); err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			if m.Name == name {
				return want(m)
			}
		}
		t.Fatalf("%s is not a member: %s", name, last)
		return false
	})
}

// wait polls a condition that other processes bring about.
func wait(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for start := time.Now(); !condition(); {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("waited %v in vain: %s", time.Since(start), what)
		}
	}
}
