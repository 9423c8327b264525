package sim

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"byzd/crypto"
)

// seedsTested are few enough for every build; the command runs as many as one likes.
const seedsTested = 150

// TestSeeds runs seeds with all oracles on.
func TestSeeds(t *testing.T) {
	count := seedsTested
	if testing.Short() {
		count = 20
	}
	sum := Many(t.Context(), 1, count, 5, Setup{}, nil)
	for _, r := range sum.Failures {
		t.Errorf("seed %d: %v\n%s\n%s\nreplay: byzd sim --seed %d --dump",
			r.Seed, r.Failure, r.Failure.Stack, r.Options.String(), r.Seed)
	}
	if sum.Seeds != count && len(sum.Failures) == 0 {
		t.Errorf("%d seeds ran, not %d", sum.Seeds, count)
	}
	t.Logf("median %d events; commit under a traitor and a view change in %d of %d",
		sum.MedianEvents(), sum.Both, sum.Seeds)
}

// TestSameHashInTwoProcesses is O17: the same seeds give the same trace in another process, with
// another number of processors.
func TestSameHashInTwoProcesses(t *testing.T) {
	const child = "BYZD_SIM_HASHES"
	hashes := func() string {
		var b strings.Builder
		for seed := uint64(1); seed <= 16; seed++ {
			fmt.Fprintf(&b, "%016x\n", New(seed, Setup{}).Run().Hash)
		}
		return b.String()
	}
	if os.Getenv(child) != "" {
		fmt.Print("HASHES\n" + hashes() + "END\n")
		return
	}
	want := hashes()
	for _, procs := range []string{"1", "2"} {
		cmd := exec.CommandContext(
			t.Context(), os.Args[0], "-test.run=^TestSameHashInTwoProcesses$")
		cmd.Env = append(os.Environ(), child+"=1", "GOMAXPROCS="+procs)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(out), "HASHES\n")
		got, _, _ := strings.Cut(rest, "END\n")
		if got != want {
			t.Errorf("with GOMAXPROCS=%s the hashes are\n%s, not\n%s", procs, got, want)
		}
	}
}

// TestTagSchemeIsNoGenesis shows that nobody can choose the simulator's scheme.
func TestTagSchemeIsNoGenesis(t *testing.T) {
	if s, err := crypto.SchemeByName(tagName); err == nil {
		t.Errorf("the genesis can choose %v", s.Name())
	}
	for _, name := range crypto.SchemeNames() {
		if name == tagName {
			t.Errorf("the genesis offers %s", name)
		}
	}
}
