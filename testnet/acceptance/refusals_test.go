package acceptance_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Whoever cannot run is told what is wrong and what to do, with the right exit code, and the
// network that he cannot join goes on.
func TestRefusals(t *testing.T) {
	n := up(t, "--nodes", "4")
	n.puts("before", 1, 0)
	n.testnet("kill", "3")
	home := n.state.Nodes[3].Home
	run := func(home string, args ...string) output {
		return byzd(t, append([]string{
			"run", "--home", home, "--listen", "127.0.0.1:0", "--gossip",
			"127.0.0.1:0", "--client", "127.0.0.1:0", "--operator", "127.0.0.1:0",
		}, args...)...)
	}
	for _, tt := range []struct {
		name, want string
		code       int
		try        func(t *testing.T) output
	}{
		{"a wrong genesis", "another cluster", 1, func(t *testing.T) output {
			other := copyHome(t, home)
			text := read(t, filepath.Join(other, "genesis.toml"))
			text = strings.Replace(text, "view-timeout = 1000", "view-timeout = 1001", 1)
			write(t, filepath.Join(other, "genesis.toml"), text)
			return run(other)
		}},
		{"another member's journal", "another member's", 1, func(t *testing.T) output {
			other := copyHome(t, home)
			if err := os.RemoveAll(filepath.Join(other, "data")); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(filepath.Join(other, "data"),
				os.DirFS(filepath.Join(n.state.Nodes[2].Home, "data"))); err != nil {
				t.Fatal(err)
			}
			return run(other)
		}},
		{"a readable key file", "chmod 600", 1, func(t *testing.T) output {
			other := copyHome(t, home)
			if err := os.Chmod(filepath.Join(other, "signing.key"), 0o644); err != nil {
				t.Fatal(err)
			}
			return run(other)
		}},
		{"an occupied port", "client", 1, func(t *testing.T) output {
			return run(copyHome(t, home), "--client", n.state.Nodes[0].Client)
		}},
		{"an unknown configuration key", "did you mean", 1, func(t *testing.T) output {
			other := copyHome(t, home)
			write(t, filepath.Join(other, "byzd.toml"), "lissten = \"127.0.0.1:0\"\n")
			return run(other)
		}},
		{"a traitor spec with a typo", "equivocate-preprepare", 2, func(t *testing.T) output {
			return byzd(t, "testnet", "up", "--home", filepath.Join(t.TempDir(), "x"), "--detach",
				"--traitor", "0=equivocate-prepare")
		}},
		{"a traitor where there is no testnet", "testnet", 1, func(t *testing.T) output {
			other := copyHome(t, home)
			text := strings.Replace(read(t, filepath.Join(other, "genesis.toml")), "testnet = true",
				"testnet = false", 1)
			write(t, filepath.Join(other, "genesis.toml"), text)
			return run(other, "--traitor", "mute")
		}},
		{"a cut where there is no testnet", "testnet", 1, func(t *testing.T) output {
			other := copyHome(t, home)
			text := strings.Replace(read(t, filepath.Join(other, "genesis.toml")), "testnet = true",
				"testnet = false", 1)
			write(t, filepath.Join(other, "genesis.toml"), text)
			return run(other, "--cut", "1")
		}},
		{"a cut from nobody", "no node 4", 1, func(t *testing.T) output {
			return run(copyHome(t, home), "--cut", "1+4")
		}},
		{"a cut that is none", "--cut 1+3", 2, func(t *testing.T) output {
			return run(copyHome(t, home), "--cut", "1,3")
		}},
		{"a home in use", "in use", 1, func(*testing.T) output { return run(n.state.Nodes[0].Home) }},
		{"a dirty testnet home", "no testnet", 1, func(t *testing.T) output {
			dirty := t.TempDir()
			write(t, filepath.Join(dirty, "diary"), "mine")
			return byzd(t, "testnet", "up", "--home", dirty, "--detach")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.try(t)
			if o.code != tt.code || !strings.Contains(o.stderr, "byzd: error:") ||
				!strings.Contains(o.stderr, "byzd: hint:") || !strings.Contains(o.stderr, tt.want) {
				t.Errorf("exit %d (want %d), %q wanted in:\n%s", o.code, tt.code, tt.want, o.stderr)
			}
			t.Log(strings.TrimSpace(o.stderr))
		})
	}
	n.puts("after", 5, 0, 1, 2)
	n.testnet("restart", "3")
	n.puts("again", 5, 3)
	n.held()
}

// copyHome copies a node's home, so that it can be spoilt.
func copyHome(t *testing.T, home string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "home")
	if out, err := exec.Command("cp", "-a", home, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	return to
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
