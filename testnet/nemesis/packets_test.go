package nemesis

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// A run that crashed leaves its rules in the kernel. The next one takes them away, and no others.
func TestSweepTakesAwayWhatIsLeft(t *testing.T) {
	if why := lacks("-A INPUT -p tcp --dport 1 -j DROP")(); why != "" {
		t.Skip(why)
	}
	dead := exec.CommandContext(t.Context(), "true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	left := chainPrefix + strconv.Itoa(dead.Process.Pid)
	living := chainPrefix + "1" // whoever that is runs
	t.Cleanup(func() { _ = removeChains(living) })
	for _, name := range []string{left, living} {
		rules := "*filter\n:" + name + " - [0:0]\n-A " + name + " -p tcp --dport 1 -j ACCEPT\n" +
			"-I INPUT -i lo -j " + name + "\nCOMMIT\n"
		if err := restoreRules(rules); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep(); err != nil {
		t.Error(err)
	}
	text, err := iptables("-S")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, left) || !strings.Contains(text, "-j "+living) {
		t.Errorf("left are\n%s", text)
	}
}
