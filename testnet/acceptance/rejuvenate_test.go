package acceptance_test

import (
	"testing"
	"time"
)

// All nodes begin anew under load, one after another: each is a new process with the old number,
// nothing that was acknowledged is lost, and a node that the others need refuses.
func TestRollingRejuvenation(t *testing.T) {
	n := up(t, "--nodes", "4")
	l := n.write("r", 0, 1, 2, 3)
	n.until("work goes on", func() bool { return l.count() > 20 })
	before := n.state
	began := time.Now()
	must(t, "rejuvenate", "--rolling", "--home", n.home, "--wait", patience.String())
	t.Logf("four nodes began anew within %v", time.Since(began).Round(time.Millisecond))
	n.read()
	for i := range n.state.Nodes {
		st, err := n.status(i)
		if err != nil {
			t.Fatal(err)
		}
		if pid := n.state.Nodes[i].PID; pid != before.Nodes[i].PID {
			t.Errorf("node %d was process %d and is %d", i, before.Nodes[i].PID, pid)
		}
		if up := time.Duration(st.UptimeMS) * time.Millisecond; up > time.Since(began) {
			t.Errorf("node %d is the old process: up for %v", i, up)
		}
	}
	count := l.count()
	n.until("work still goes on", func() bool { return l.count() > count+20 })
	n.testnet("kill", "1")
	n.until("node 0 notices", func() bool {
		return byzd(t, "rejuvenate", "--home", n.state.Nodes[0].Home, "--wait", "5s").code == 3
	})
	n.testnet("restart", "1")
	l.end(2)
	n.held()
}
