package testnet_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"byzd/testnet"
)

// FuzzReadState: whatever testnet.json holds, reading it ends, and what is accepted names nodes
// that can be used as places and homes inside the testnet's.
func FuzzReadState(f *testing.F) {
	home := f.TempDir()
	good, err := json.Marshal(testnet.State{Nodes: []testnet.NodeState{
		{Home: "/etc", Traitors: []string{"mute"}, Cut: []int{1}}, {Node: 1, Process: testnet.Killed, Signal: 9},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{\"nodes\":[{\"node\":0,\"cut\":[-1]}]}"))
	f.Add([]byte("{\"nodes\":null,\"supervisor\":{\"pid\":-1}}"))
	path := filepath.Join(home, "testnet.json")
	f.Fuzz(func(t *testing.T, file []byte) {
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		st, err := testnet.ReadState(home)
		if err != nil {
			return
		}
		for i := range st.Nodes {
			n := &st.Nodes[i]
			if n.Node != i || filepath.Dir(n.Home) != home {
				t.Fatalf("node %d in %s stands in place %d", n.Node, n.Home, i)
			}
			for _, j := range n.Cut {
				_ = st.Nodes[j]
			}
			if n.Describe() == "" {
				t.Errorf("nothing can be said about %+v", n)
			}
		}
	})
}
