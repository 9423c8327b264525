package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"byzd/daemon/api/apitest"
	"byzd/daemon/config"
	"byzd/testnet"
)

// testnetHome makes a testnet's home as its supervisor leaves it, with one node at an address.
func testnetHome(t *testing.T, c *apitest.Cluster, endpoint string) string {
	t.Helper()
	home := t.TempDir()
	text, err := json.Marshal(testnet.State{Scheme: c.Genesis.Scheme, Nodes: []testnet.NodeState{
		{Client: endpoint, Process: testnet.Running},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "testnet.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Genesis.Save(config.Home(home).Genesis()); err != nil {
		t.Fatal(err)
	}
	return home
}

// What a home is for decides what is advised.
func TestHints_FitTheHome(t *testing.T) {
	inEmptyDir(t)
	cluster := apitest.Start(t, "homes", 4)
	home := testnetHome(t, cluster, cluster.Endpoints[0])
	for i := range cluster.Endpoints {
		cluster.StopEndpoint(i)
	}
	for _, command := range []string{"status", "members"} {
		refuses(t, exitUsage, "is the home of a testnet, and "+command+" asks one node",
			"byzd testnet status --home "+home, command, "--home", home)
		refuses(t, exitUsage, "is the home of a testnet",
			"byzd "+command+" --home "+filepath.Join(home, "node-0"), command, "--home", home)
		refuses(t, exitNoProgress, "no node is running in none", "byzd init --home none", command,
			"--home", "none")
	}
	must(t, "init", "--home", "alice")
	refuses(t, exitNoProgress, "no node is running in alice", "byzd run --home alice", "status",
		"--home", "alice")

	short := []string{"put", "k", "v", "--timeout", "100ms", "--home"}
	refuses(t, exitNoProgress, "nothing was sent", "byzd testnet status --home "+home,
		append(short, home)...)
	node := clientHome(t, cluster, 1)
	refuses(t, exitNoProgress, "nothing was sent", "byzd status --home "+node,
		append(short, node)...)
	refuses(t, exitNoProgress, "nothing was sent", "check --endpoints",
		append(short, node, "--endpoints", cluster.Endpoints[1])...)

	refuses(t, exitFailed, "no such file", "byzd init --home none", "run", "--home", "none")
	refuses(t, exitFailed, "no such file", "byzd init --home none", "genesis", "show", "--home",
		"none")
	refuses(t, exitFailed, "alice is a directory", "name the file in it", "genesis", "show",
		"alice")
}
