package acceptance_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"byzd/crypto"
	"byzd/daemon/config"
	"byzd/daemon/genesis"
	"byzd/pbft/message"
	"byzd/transport"
)

// All nodes begin anew under load and get new signing keys, one after another: nothing that was
// acknowledged is lost, nothing in a home holds an old key any more, a node whose disk is wiped
// afterwards comes back with its new key alone, and votes by an old key are refused (B53).
func TestRollingRekey(t *testing.T) {
	n := up(t, "--nodes", "4", "--traitor", "3=slow-primary:delay=1ms,p=0.01")
	l := n.write("r", 0, 1, 2, 3)
	l.resumes("the load runs")
	old := make([][crypto.SeedSize]byte, len(n.state.Nodes))
	for i := range n.state.Nodes {
		_, old[i] = n.keys(i)
	}
	must(t, "rejuvenate", "--rolling", "--rekey", "--home", n.home, "--wait", patience.String(),
		"--admin-key", filepath.Join(n.home, "admin.key"))
	n.read()
	l.resumes("the load runs on")
	if e := n.epochOf(1); e.Epoch != 4 || len(e.Members) != 4 {
		t.Errorf("after four changes: %+v", e)
	}
	for i := range n.state.Nodes {
		if _, now := n.keys(i); now == old[i] {
			t.Errorf("node %d has its old key", i)
		}
		nowhere(t, n.state.Nodes[i].Home, old[i])
	}
	// A liar lies with the key of its epoch as well, also one that has just been told to.
	n.testnet("traitor", "3=equivocate-votes")
	n.until("the liar's two votes are proved", func() bool {
		st, err := n.status(1)
		return err == nil && len(st.Evidence) > 0 && st.Evidence[0].Culprit == 3
	})

	n.testnet("kill", "2")
	if err := os.RemoveAll(filepath.Join(n.state.Nodes[2].Home, "data")); err != nil {
		t.Fatal(err)
	}
	n.testnet("restart", "2")
	n.until("the wiped node takes part again", func() bool {
		st, err := n.status(2)
		return err == nil && st.Ready && st.Events["recovered"] > 0
	})
	n.testnet("restart", "2")
	n.until("and again after an ordinary restart", func() bool {
		st, err := n.status(2)
		return err == nil && st.Ready
	})
	n.testnet("kill", "3")
	l.resumes("it is needed, and there")
	l.end(0)
	if v, _ := n.judge(); v.Agreement == "broken" || v.Validity == "broken" || v.Integrity == "broken" {
		t.Errorf("the verdict: %+v", v)
	}
	n.votesOf(3, 1, old[3])
}

// keys reads the keys of a node.
func (n *network) keys(i int) (crypto.NetworkKey, [crypto.SeedSize]byte) {
	n.t.Helper()
	network, seed, err := config.ReadKeys(config.Home(n.state.Nodes[i].Home))
	if err != nil {
		n.t.Fatal(err)
	}
	return network, seed
}

// nowhere demands that no file of a home holds a seed.
func nowhere(t *testing.T, home string, seed [crypto.SeedSize]byte) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // a running node removes files
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil //nolint:nilerr // likewise
		}
		files++
		text := []byte(hex.EncodeToString(seed[:]))
		if bytes.Contains(data, seed[:]) || bytes.Contains(bytes.ToLower(data), text) {
			t.Errorf("%s holds the old key", path)
		}
		return nil
	})
	if err != nil || files < 5 {
		t.Fatalf("%d files of %s: %v", files, home, err)
	}
}

// votesOf takes the place of a node that does not run and says COMMITs to another one: signed with
// an old key, which must be refused, and then with its key of today, which must count. The listener
// is asked what it has heard, so that the first cannot have been lost on the way.
func (n *network) votesOf(i, listener int, old [crypto.SeedSize]byte) {
	n.t.Helper()
	cfg := n.today(listener)
	network, now := n.keys(i)
	to := n.state.Nodes[listener]
	id := cfg.Members[listener].Node
	log := logrus.New()
	log.SetOutput(io.Discard)
	tr, err := transport.New(transport.Config{
		Cluster: cfg.Cluster, WireVersion: message.Version, Key: network,
		Peers:  []transport.Peer{{ID: id, Name: cfg.Members[listener].Name}},
		Listen: "127.0.0.1:0", Handler: deaf{}, Limits: transport.DefaultLimits(), MaxPeers: 1,
		Log: log,
	})
	if err != nil {
		n.t.Fatal(err)
	}
	defer tr.Close()
	tr.Heard(id, []string{to.Listen})
	before := n.heard(listener, i)
	say := func(seed [crypto.SeedSize]byte, seq uint64) {
		signer, err := cfg.Scheme.NewSigner(seed)
		if err != nil {
			n.t.Fatal(err)
		}
		v := &message.Vote{
			Kind: crypto.KindCommit, View: before.View, Seq: seq, Digest: crypto.Hash("no batch"),
		}
		message.Sealer{Config: cfg, Self: i, Signer: signer}.Seal(v)
		tr.Send(id, transport.Votes, message.Encode(cfg.Epoch, v))
	}
	refused := string(message.RefusedSignature)
	seq := before.Sequence + 3
	n.until("a vote by the old key is refused", func() bool {
		say(old, seq)
		return n.heard(listener, i).Refusals[refused] > before.Refusals[refused]
	})
	if got := n.heard(listener, i).vote; got >= seq {
		n.t.Errorf("a vote by the old key counts: for %d", got)
	}
	n.until("one by the key of today counts", func() bool {
		say(now, seq)
		return n.heard(listener, i).vote == seq
	})
}

// deaf takes in nothing.
type deaf struct{}

func (deaf) Receive(crypto.NodeID, transport.Class, uint64, []byte) {}
func (deaf) PeerUp(crypto.NodeID)                                   {}
func (deaf) PeerDown(crypto.NodeID)                                 {}

// hearing is a node's status, with what it heard last of one member.
type hearing struct {
	status
	vote uint64
}

func (n *network) heard(listener, of int) hearing {
	n.t.Helper()
	var st struct {
		status
		Peers []struct {
			Node     int `json:"node"`
			LastVote struct {
				Sequence uint64 `json:"sequence"`
			} `json:"last_vote"`
		} `json:"peers"`
	}
	if err := json.Unmarshal(n.operator(listener, "/status"), &st); err != nil {
		n.t.Fatal(err)
	}
	h := hearing{status: st.status}
	for _, p := range st.Peers {
		if p.Node == of {
			h.vote = p.LastVote.Sequence
		}
	}
	return h
}

// today is the configuration that a node can prove.
func (n *network) today(i int) *message.Config {
	n.t.Helper()
	g, err := genesis.Load(filepath.Join(n.home, "genesis.toml"))
	if err != nil {
		n.t.Fatal(err)
	}
	cfg, err := g.Config()
	if err != nil {
		n.t.Fatal(err)
	}
	chain, err := message.DecodeEpochs(cfg, n.operator(i, "/epochs"))
	if err == nil {
		cfg, err = message.FollowEpochs(cfg, chain)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return cfg
}

func (n *network) operator(i int, path string) []byte {
	n.t.Helper()
	resp, err := http.Get(n.state.Nodes[i].Operator + path)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		n.t.Fatalf("node %d: %v, %s", i, err, data)
	}
	return data
}

// Without administrators' keys the change is written down; it is made when they have signed it, and
// the node does the rest by itself.
func TestRekeyApprovedLater(t *testing.T) {
	n := up(t, "--nodes", "4")
	home, admin := n.state.Nodes[1].Home, filepath.Join(n.home, "admin.key")
	_, old := n.keys(1)
	if o := byzd(t, "rejuvenate", "--home", home, "--rekey",
		"--admin-key", filepath.Join(home, "signing.key")); o.code == 0 ||
		!strings.Contains(o.stderr, "is not an administrator's") {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
	change := filepath.Join(t.TempDir(), "change.byzd")
	must(t, "rejuvenate", "--home", home, "--rekey", "--change", change, "--wait", patience.String())
	if _, now := n.keys(1); now != old || n.epochOf(1).Epoch != 0 {
		t.Error("the key was replaced although nobody approved it")
	}
	must(t, "member", "approve", change, "--home", home, "--key", admin)
	must(t, "member", "submit", change, "--home", home, "--wait", patience.String())
	n.until("the new key is the only one", func() bool {
		_, err := os.Stat(filepath.Join(home, "signing.key.next"))
		_, now := n.keys(1)
		return os.IsNotExist(err) && now != old
	})
	nowhere(t, home, old)
	n.puts("after", 8, 0, 1, 2, 3)
}
