package acceptance_test

import (
	"context"
	"strings"
	"testing"
	"time"
)

// What a client is told that talks to a liar alone, and that a client which believes f+1 signatures
// is never fooled.
func TestClientsOfTheLiar(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fooled bool // an etcd client of the lying node believes what is false
		silent bool // it gets no answer
	}{
		{"ack-and-forget", true, false},
		{"process-and-mute", false, true},
		{"contradict", true, false},
		{"lie-reply", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := up(t, "--nodes", "4", "--traitor", "3="+tt.name)
			liar, err := etcdClient(n.state.Nodes[3].Client)
			if err != nil {
				t.Fatal(err)
			}
			defer liar.Close()
			honest, err := etcdClient(n.state.Nodes[1].Client)
			if err != nil {
				t.Fatal(err)
			}
			defer honest.Close()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if _, err := honest.Put(ctx, "truth", "true"); err != nil {
				t.Fatal(err)
			}

			short, stop := context.WithTimeout(ctx, 3*time.Second)
			defer stop()
			_, wrote := liar.Put(short, "mine", "written")
			told, asked := liar.Get(short, "truth")
			there, err := honest.Get(ctx, "mine")
			if err != nil {
				t.Fatal(err)
			}
			lost := wrote == nil && len(there.Kvs) == 0
			untrue := asked == nil && (len(told.Kvs) != 1 || string(told.Kvs[0].Value) != "true")
			if fooled := lost || untrue; fooled != tt.fooled {
				t.Errorf("fooled %t (write lost %t, read false %t), want %t", fooled, lost, untrue, tt.fooled)
			}
			if silent := wrote != nil && asked != nil; silent != tt.silent {
				t.Errorf("silent %t (%v, %v), want %t", silent, wrote, asked, tt.silent)
			}
			t.Logf("an etcd client of the liar: write lost %t, read false %t; errors %v, %v",
				lost, untrue, wrote, asked)

			// Our own client asks the liar first, and is not fooled.
			all := []string{n.state.Nodes[3].Client}
			for i := range 3 {
				all = append(all, n.state.Nodes[i].Client)
			}
			args := []string{
				"--endpoints", strings.Join(all, ","), "--genesis", n.home + "/genesis.toml",
				"--key", n.home + "/mine.key",
			}
			must(t, append([]string{"put", "own", "written"}, args...)...)
			if o := must(t, append([]string{"get", "own"}, args...)...); strings.TrimSpace(o.stdout) != "written" {
				t.Errorf("byzd's client reads %q", o.stdout)
			}
			if r, err := honest.Get(ctx, "own"); err != nil || len(r.Kvs) != 1 {
				t.Errorf("what byzd's client wrote is not there: %v", err)
			}
			n.held()
		})
	}
}
