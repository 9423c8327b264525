package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/daemon/genesis"
	"byzd/daemon/journal"
	"byzd/daemon/kv"
	"byzd/pbft/message"
	"byzd/testnet"
	"byzd/testnet/judge/linear"
)

// stopped is the home of a testnet of four that was stopped, made without running it: its journals
// are signed with the members' keys.
type stopped struct {
	placed  uint64 // bundles of node 3: a correct gateway uses each number once
	t       *testing.T
	home    string
	cluster *message.Config
	sealers []message.Sealer
	records [][]journal.Record
}

func newStopped(t *testing.T, traitors ...int) *stopped {
	t.Helper()
	s := &stopped{t: t, home: t.TempDir(), records: make([][]journal.Record, 4)}
	g, err := genesis.New(crypto.SchemeEd25519, true)
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := crypto.SchemeByName(g.Scheme)
	if err != nil {
		t.Fatal(err)
	}
	state := testnet.State{Scheme: g.Scheme}
	for i := range s.records {
		seed := [crypto.SeedSize]byte{byte(i + 1)}
		signer, err := scheme.NewSigner(seed)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("node-%d", i)
		m := genesis.NewMember(name, crypto.NewNetworkKey(seed), signer)
		if err := g.Add(m); err != nil {
			t.Fatal(err)
		}
		n := testnet.NodeState{
			Node: i, Name: name, Home: s.nodeHome(i), Process: testnet.Killed,
			Last: &testnet.Last{},
		}
		if slices.Contains(traitors, i) {
			n.Traitors = []string{"equivocate-preprepare"}
		}
		state.Nodes = append(state.Nodes, n)
		s.sealers = append(s.sealers, message.Sealer{Self: i, Signer: signer})
	}
	if s.cluster, err = g.Config(); err != nil {
		t.Fatal(err)
	}
	for i := range s.sealers {
		s.sealers[i].Config = s.cluster
	}
	text, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	s.write("testnet.json", text)
	s.write("genesis.toml", g.Encode())
	for i := range s.records {
		s.write(fmt.Sprintf("node-%d/genesis.toml", i), g.Encode())
	}
	return s
}

func (s *stopped) nodeHome(i int) string { return filepath.Join(s.home, fmt.Sprintf("node-%d", i)) }

func (s *stopped) write(name string, data []byte) {
	s.t.Helper()
	path := filepath.Join(s.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// recorded changes what the supervisor wrote down of a node when it stopped it.
func (s *stopped) recorded(i int, last *testnet.Last) {
	s.t.Helper()
	state, err := testnet.ReadState(s.home)
	if err != nil {
		s.t.Fatal(err)
	}
	state.Nodes[i].Last = last
	text, err := json.Marshal(state)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("testnet.json", text)
}

// decide writes a batch of one operation into nodes' journals, as decided by some members in view
// 0.
func (s *stopped) decide(parent message.Ref, value string, nodes []int, signers ...int) message.Ref {
	s.t.Helper()
	op, err := kv.Encode(kv.Put{Key: []byte("k"), Value: []byte(value)})
	if err != nil {
		s.t.Fatal(err)
	}
	bundle := &message.Bundle{Session: 3, Seq: s.placed, Items: []message.Item{{Op: op}}}
	s.placed++
	s.sealers[3].SealBundle(bundle)
	b := &message.Batch{
		Header: message.Header{
			Cluster: s.cluster.Cluster, Seq: parent.Seq + 1, Parent: parent.Digest, Requests: 1,
			Bytes: uint32(bundle.Size()),
		},
		Bundles: []*message.Bundle{bundle},
	}
	b.Header.Root = message.BatchRoot(b.IDs())
	ref := message.Ref{Seq: b.Header.Seq, Digest: b.Header.Digest()}
	cert := &message.Certificate{Kind: crypto.KindCommit, Seq: ref.Seq, Digest: ref.Digest}
	var sigs [][]byte
	for _, i := range signers {
		v := &message.Vote{Kind: cert.Kind, Seq: ref.Seq, Digest: ref.Digest}
		s.sealers[i].Seal(v)
		cert.Signers, sigs = cert.Signers.Add(i), append(sigs, v.Sig)
	}
	if cert.Aggregate, err = s.cluster.Scheme.Aggregate(sigs); err != nil {
		s.t.Fatal(err)
	}
	for _, rec := range []*message.Record{
		{Type: message.RecordBatch, Batch: b}, {Type: message.RecordCommitted, Cert: cert},
	} {
		for _, i := range nodes {
			s.records[i] = append(s.records[i], journal.Record{
				Type: uint8(rec.Type), Version: message.RecordVersion, Body: rec.Encode(),
			})
		}
	}
	return ref
}

// save writes the journals.
func (s *stopped) save() {
	s.t.Helper()
	for i, recs := range s.records {
		d, err := disk.OS(filepath.Join(s.nodeHome(i), "data"))
		if err != nil {
			s.t.Fatal(err)
		}
		j, err := journal.Open(d, journal.Options{Owner: s.cluster.Cluster})
		if err != nil {
			s.t.Fatal(err)
		}
		j.Append(recs...)
		if err := j.Flush(); err != nil {
			s.t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// forked is a network that two colluders have split.
func forked(t *testing.T) *stopped {
	t.Helper()
	s := newStopped(t, 0, 1)
	at := s.decide(s.cluster.Base, "same", []int{0, 1, 2, 3}, 0, 1, 2)
	s.decide(at, "left", []int{0, 2}, 0, 1, 2)
	s.decide(at, "right", []int{1, 3}, 0, 1, 3)
	s.save()
	return s
}

type verdictJSON struct {
	Agreement, Validity, Integrity, Termination, Linearizable string
	Sequence, Operations                                      int
	Culprits, Traitors                                        []int
	Evidence                                                  []struct {
		Kind    string
		Culprit int
		File    string
	}
}

func judged(t *testing.T, code int, args ...string) verdictJSON {
	t.Helper()
	r := runMain(t, append([]string{"verdict", "--json"}, args...)...)
	if r.code != code {
		t.Fatalf("exit %d, not %d\n%s%s", r.code, code, r.out, r.errors)
	}
	var v verdictJSON
	if err := json.Unmarshal([]byte(r.out), &v); err != nil {
		t.Fatalf("%v: %s", err, r.out)
	}
	return v
}

func TestVerdict_HeldOfAStoppedTestnet(t *testing.T) {
	inEmptyDir(t)
	s := newStopped(t, 0)
	at := s.cluster.Base
	for i := range 5 {
		at = s.decide(at, fmt.Sprint(i), []int{0, 1, 2, 3}, 1, 2, 3)
	}
	s.save()
	v := judged(t, exitGood, "--home", s.home)
	if v.Agreement != "held" || v.Validity != "held" || v.Integrity != "held" ||
		v.Termination != "held" || v.Linearizable != "unknown" {
		t.Errorf("%+v", v)
	}
	if v.Sequence != 5 || v.Operations != 5 || !slices.Equal(v.Traitors, []int{0}) ||
		len(v.Culprits) != 0 || v.Evidence == nil {
		t.Errorf("%+v", v)
	}
	text := must(t, "verdict", "--home", s.home)
	for _, want := range []string{
		"agreement     held\n", "up to batch 5, 5 operations", "4 of 4 journals", "node 0",
		"nobody is accused without proof",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	one := runMain(t, "verdict", "--home", s.nodeHome(2))
	if one.code != exitNoProgress || !strings.Contains(one.out, "one node of 4") ||
		!strings.Contains(one.out, "1 of 1 journals") ||
		!strings.Contains(one.out, "journals do not tell") {
		t.Errorf("one node's log: exit %d\n%s", one.code, one.out)
	}
	s.recorded(3, &testnet.Last{Pending: 1, OldestMS: 31_000})
	r := runMain(t, "verdict", "--home", s.home, "--json")
	if r.code != exitNoProgress || !strings.Contains(r.errors,
		"termination is unknown: 1 operations were pending at node 3 when it stopped") {
		t.Errorf("something was pending: exit %d\n%s%s", r.code, r.out, r.errors)
	}
	if err := os.RemoveAll(s.nodeHome(1)); err != nil {
		t.Fatal(err)
	}
	if v := judged(t, exitNoProgress, "--home", s.home); v.Agreement != "unknown" {
		t.Errorf("without node 1 agreement is %s", v.Agreement)
	}
}

// endpoint serves what the operator endpoint of node i does, as far as the verdict asks.
func (s *stopped) endpoint(i int) string {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"node":%d,"cluster":%q,"sequence":1}`, i, s.cluster.Cluster)
	})
	mux.HandleFunc("GET /journal", func(w http.ResponseWriter, _ *http.Request) {
		_ = journal.WriteStream(w, func(fn func(uint64, journal.Record) error) error {
			for k, r := range s.records[i] {
				if err := fn(uint64(k)+1, r); err != nil {
					return err
				}
			}
			return nil
		})
	})
	server := httptest.NewServer(mux)
	s.t.Cleanup(server.Close)
	return server.URL
}

// An address too many is no node; a wrong genesis is refused; one log is said to be one.
// What clients saw counts where it was recorded: a stale read breaks the verdict on journals that
// show nothing wrong.
func TestVerdict_RecordedHistory(t *testing.T) {
	inEmptyDir(t)
	s := newStopped(t)
	s.decide(s.cluster.Base, "0", []int{0, 1, 2, 3}, 1, 2, 3)
	s.save()
	const written = `{"workload":"register","object":"register/0/0","client":0,"action":"write",` +
		`"value":"a","answer":{"done":true},"called":1,"returned":2}` + "\n"
	const read = `{"workload":"register","object":"register/0/0","client":1,"action":"read",` +
		`"answer":{"value":%q},"called":3,"returned":4}` + "\n"
	for _, c := range []struct {
		history, want string
		code          int
	}{
		{written + fmt.Sprintf(read, "a"), "held", exitGood},
		{written + fmt.Sprintf(read, ""), "broken", exitBroken},
		{written + "{", "unknown", exitGood},
	} {
		path := filepath.Join(s.home, linear.FileName)
		if err := os.WriteFile(path, []byte(c.history), 0o600); err != nil {
			t.Fatal(err)
		}
		if v := judged(t, c.code, "--home", s.home); v.Linearizable != c.want {
			t.Errorf("%s: %+v", c.history, v)
		}
	}
}

func TestVerdict_Endpoints(t *testing.T) {
	inEmptyDir(t)
	s := newStopped(t)
	s.decide(s.cluster.Base, "v", []int{0, 1, 2, 3}, 1, 2, 3)
	s.save()
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	var urls []string
	for i := range 4 {
		urls = append(urls, s.endpoint(i))
	}
	genesisFile := filepath.Join(s.home, "genesis.toml")
	verdictOn := func(urls ...string) ran {
		t.Helper()
		return runMain(t, "verdict", "--endpoints", strings.Join(urls, ","), "--genesis", genesisFile)
	}
	r := verdictOn(append(urls, dead.URL, urls[2])...)
	if r.code != exitGood || !strings.Contains(r.out, "verdict on 4 of 4 nodes") ||
		!strings.Contains(r.out, dead.URL+" does not answer") {
		t.Errorf("a dead address and a repeated one: exit %d\n%s%s", r.code, r.out, r.errors)
	}
	r = verdictOn(urls[0], urls[1], urls[3], dead.URL)
	if r.code != exitNoProgress || !strings.Contains(r.out, "verdict on 3 of 4 nodes") {
		t.Errorf("one member is missing: exit %d\n%s%s", r.code, r.out, r.errors)
	}
	r = verdictOn(urls[0])
	if r.code != exitGood || !strings.Contains(r.out, "one log of 4 cannot disagree") {
		t.Errorf("one log: exit %d\n%s%s", r.code, r.out, r.errors)
	}
	g, err := genesis.Load(genesisFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := genesis.SetParam(&g.Params, "view-timeout", "777"); err != nil {
		t.Fatal(err)
	}
	genesisFile = "other.toml"
	if err := g.Save(genesisFile); err != nil {
		t.Fatal(err)
	}
	refuses(t, exitFailed, "the genesis is of another cluster", "--genesis", "verdict",
		"--endpoints", strings.Join(urls, ","), "--genesis", genesisFile)
	refuses(t, exitFailed, "and "+s.home+" of cluster", "--genesis", "verdict",
		"--home", s.home, "--genesis", genesisFile)
}

func TestVerdict_BrokenNamesTheGuiltyAndTheirProofsVerify(t *testing.T) {
	inEmptyDir(t)
	s := forked(t)
	v := judged(t, exitBroken, "--home", s.home)
	if v.Agreement != "broken" || !slices.Equal(v.Culprits, []int{0, 1}) || len(v.Evidence) != 2 {
		t.Fatalf("%+v", v)
	}
	r := runMain(t, "verdict", "--home", s.home)
	for _, want := range []string{
		"different batches at sequence number 2", "node 2 executed", "node 3 executed",
		"signed by both sides: node 0, node 1",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in\n%s", want, r.out)
		}
	}
	file, gen := v.Evidence[1].File, filepath.Join(s.home, "genesis.toml")
	text := must(t, "evidence", "verify", file, "--genesis", gen)
	if !strings.HasPrefix(text, "node 1 signed two COMMITs for view 0 and sequence number 2") {
		t.Errorf("it says %q", text)
	}
	shown := must(t, "evidence", "show", file, "--genesis", gen)
	if strings.Count(shown, "signed    commit view=0 seq=2") != 2 {
		t.Errorf("it shows %q", shown)
	}
	// The homes of the correct nodes are enough, and the proofs alone are as well.
	for _, sources := range [][]string{
		{s.home}, {s.home + "/node-2", s.home + "/node-3"},
	} {
		r := runMain(t, append([]string{"forensics", "--evidence", t.TempDir()}, sources...)...)
		if r.code != exitBroken || !strings.Contains(r.out, "fork      at sequence number 2") ||
			!strings.Contains(r.out, "2 guilty; a fork takes 2 at least") {
			t.Errorf("forensics on %v: exit %d\n%s%s", sources, r.code, r.out, r.errors)
		}
	}
	r = runMain(t, "forensics", file, "--genesis", gen)
	if r.code != exitGood || !strings.Contains(r.out, "culprit   node 1") {
		t.Errorf("forensics on a proof: exit %d\n%s%s", r.code, r.out, r.errors)
	}
	refuses(t, exitUsage, "nothing is named", "--genesis", "forensics")
	listed := must(t, "evidence", "list", "--home", s.home, "--json")
	var list []listedProof
	if err := json.Unmarshal([]byte(listed), &list); err != nil || len(list) != 2 ||
		list[1].Name != "E2-two-commits-node1.proof" || list[1].File != file {
		t.Errorf("%v: %s", err, listed)
	}
}

// A proof is refused after any one byte that is flipped, added or missing.
func TestEvidence_VerifyRefusesEveryChange(t *testing.T) {
	inEmptyDir(t)
	s := forked(t)
	v := judged(t, exitBroken, "--home", s.home)
	gen := filepath.Join(s.home, "genesis.toml")
	good, err := os.ReadFile(v.Evidence[0].File)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, data []byte) {
		t.Helper()
		if err := os.WriteFile("changed.proof", data, 0o600); err != nil {
			t.Fatal(err)
		}
		r := runMain(t, "evidence", "verify", "changed.proof", "--genesis", gen)
		if r.code != exitFailed || !strings.Contains(r.errors, "proves nothing") {
			t.Errorf("%s: exit %d, %s", what, r.code, r.errors)
		}
	}
	for i := range good {
		flipped := slices.Clone(good)
		flipped[i] ^= 1 << (i % 8)
		refused(fmt.Sprintf("byte %d flipped", i), flipped)
		refused(fmt.Sprintf("byte %d missing", i), slices.Delete(slices.Clone(good), i, i+1))
		refused(fmt.Sprintf("byte added at %d", i), slices.Insert(slices.Clone(good), i, 0))
	}
	refused("byte added at the end", append(slices.Clone(good), 0))
	refused("nothing", nil)
}

func TestEvidence_ListTellsWhatProvesNothing(t *testing.T) {
	inEmptyDir(t)
	s := forked(t)
	judged(t, exitBroken, "--home", s.home)
	s.write("node-2/evidence/odd.proof", []byte("?"))
	s.write("node-2/evidence/note.txt", []byte("not a proof"))
	text := must(t, "evidence", "list", "--home", s.home)
	if !strings.Contains(text, "node-2/odd.proof") || !strings.Contains(text, "proves nothing") ||
		strings.Contains(text, "note.txt") {
		t.Errorf("the list is\n%s", text)
	}
}

func TestVerdict_BadInputIsRefusedWithAdvice(t *testing.T) {
	inEmptyDir(t)
	s := newStopped(t)
	s.save()
	empty := t.TempDir()
	refuses(t, exitUsage, "nothing is named", "--home DIR", "verdict")
	refuses(t, exitUsage, "without their genesis", "--genesis FILE", "verdict", "--endpoints", "h:1")
	refuses(t, exitUsage, "empty name", "", "verdict", "--endpoints", "h:1,,", "--home", s.home)
	refuses(t, exitUsage, "the bound is 0s", "--bound 30s", "verdict", "--home", s.home, "--bound", "0s")
	refuses(t, exitFailed, "no home of a testnet or of a node", "--home DIR", "verdict", "--home", empty)
	refuses(t, exitUsage, "nothing is named", "--home DIR", "evidence", "list")
	refuses(t, exitFailed, "no home of a testnet or of a node", "with --home DIR\n",
		"evidence", "list", "--home", empty)
	refuses(t, exitUsage, "without the members' keys", "--genesis", "evidence", "verify", "x")
	refuses(t, exitUsage, "none is given", "evidence verify", "evidence", "verify")
	refuses(t, exitFailed, "no such file", "evidence list",
		"evidence", "verify", "nowhere", "--home", s.home)
	s.write("testnet.json", []byte("{"))
	refuses(t, exitFailed, "testnet.json", "testnet up --force", "verdict", "--home", s.home)
}
