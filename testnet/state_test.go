package testnet_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"byzd/testnet"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Other programs read testnet.json: these keys stay, with these types.
func TestState_IsAContract(t *testing.T) {
	code := 3
	state := testnet.State{
		Supervisor: testnet.Supervisor{PID: 17, URL: "http://127.0.0.1:1"},
		Nodes: []testnet.NodeState{{
			Name: "node-0", PID: 4711, Home: "/h/node-0", Client: "127.0.0.1:2",
			Operator: "http://127.0.0.1:3", Traitors: []string{}, Process: testnet.Exited,
			ExitCode: &code, Fired: map[string]uint64{"mute": 2},
		}},
	}
	data, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Supervisor struct {
			PID float64 `json:"pid"`
			URL string  `json:"url"`
		} `json:"supervisor"`
		Nodes []map[string]any `json:"nodes"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got.Supervisor.PID != 17 || got.Supervisor.URL != "http://127.0.0.1:1" {
		t.Errorf("supervisor is %+v", got.Supervisor)
	}
	for key, want := range map[string]any{
		"node": 0.0, "name": "node-0", "pid": 4711.0, "home": "/h/node-0", "client": "127.0.0.1:2",
		"operator": "http://127.0.0.1:3", "process": "exited", "exit_code": 3.0,
	} {
		if got.Nodes[0][key] != want {
			t.Errorf("%s is %v, want %v", key, got.Nodes[0][key], want)
		}
	}
	if fired, ok := got.Nodes[0]["fired"].(map[string]any); !ok || fired["mute"] != 2.0 {
		t.Errorf("fired is %v, want an object with counts", got.Nodes[0]["fired"])
	}
	if list, ok := got.Nodes[0]["traitors"].([]any); !ok || len(list) != 0 {
		t.Errorf("traitors is %v, want an empty list", got.Nodes[0]["traitors"])
	}
}

func TestReadState_Refuses(t *testing.T) {
	home := t.TempDir()
	_, err := testnet.ReadState(home)
	wantError(t, "nothing", err, testnet.Failed, "no testnet in "+home)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	for _, c := range []struct{ text, want string }{
		{"", "unexpected end"},
		{"[]", "cannot unmarshal"},
		{"{}", "names no nodes"},
		{`{"nodes":[{"node":1}]}`, "node 1 stands in place 0"},
		{`{"nodes":[{"node":0,"cut":[1]}]}`, "does not exist"},
	} {
		write(t, filepath.Join(home, "testnet.json"), c.text)
		_, err := testnet.ReadState(home)
		wantError(t, c.text, err, testnet.Failed, c.want)
	}
}

// A home that was moved, or a file that lies about where the nodes are, must not lead elsewhere:
// homes are wiped.
func TestReadState_HomesAreInside(t *testing.T) {
	home := t.TempDir()
	write(t, filepath.Join(home, "testnet.json"), `{"nodes":[{"node":0,"home":"/etc"}]}`)
	st, err := testnet.ReadState(home)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(home, "node-0"); st.Nodes[0].Home != want {
		t.Errorf("home is %s, want %s", st.Nodes[0].Home, want)
	}
}

func TestNodeState_Describe(t *testing.T) {
	code := 1
	for want, n := range map[string]testnet.NodeState{
		"exited, code 1":           {Process: testnet.Exited, ExitCode: &code},
		"killed by signal 9":       {Process: testnet.Killed, Signal: 9},
		"running":                  {Process: testnet.Running},
		"paused":                   {Process: testnet.Paused},
		"not started":              {Process: testnet.New},
		"gone with its supervisor": {Process: testnet.Lost},
	} {
		if got := n.Describe(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
