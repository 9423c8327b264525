package genesis

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// seedOf returns a seed that no other number gives.
func seedOf(i int, label string) [crypto.SeedSize]byte {
	return crypto.DeriveSeed([crypto.SeedSize]byte{byte(i), byte(i >> 8)}, label)
}

func testMember(tb testing.TB, scheme string, i int) Member {
	tb.Helper()
	s, err := crypto.SchemeByName(scheme)
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := s.NewSigner(seedOf(i, "signing"))
	if err != nil {
		tb.Fatal(err)
	}
	network := crypto.NewNetworkKey(seedOf(i, "network"))
	return NewMember(fmt.Sprintf("node-%d", i), network, signer)
}

func testGenesis(tb testing.TB, scheme string, n int) *Genesis {
	tb.Helper()
	g, err := New(scheme, true)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		if err := g.Add(testMember(tb, scheme, i)); err != nil {
			tb.Fatal(err)
		}
	}
	return g
}

func TestParse_ReadsWhatEncodeWrote(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		for _, n := range []int{0, 1, 4} {
			g := testGenesis(t, scheme, n)
			if n == 4 {
				g.Admins = Admins{Threshold: 2, Keys: [][]byte{g.Members[0].Key, g.Members[3].Key}}
			}
			back, err := Parse(g.Encode())
			if err != nil {
				t.Fatalf("%s, n = %d: %v\n%s", scheme, n, err, g.Encode())
			}
			if back.ClusterID() != g.ClusterID() || !bytes.Equal(back.Encode(), g.Encode()) {
				t.Errorf("%s, n = %d: %s became %s", scheme, n, g.ClusterID(), back.ClusterID())
			}
		}
	}
}

func TestConfig(t *testing.T) {
	g := testGenesis(t, crypto.SchemeBLS12381, 4)
	c, err := g.Config()
	if err != nil {
		t.Fatal(err)
	}
	if c.Cluster != g.ClusterID() || c.Sizes.Quorum != 3 || !c.Params.Testnet || c.Epoch != 0 {
		t.Errorf("config %+v", c)
	}
	for i, m := range c.Members {
		if m.Name != g.Members[i].Name || m.Node != g.Members[i].ID ||
			!bytes.Equal(m.Key.Bytes(), g.Members[i].Key) {
			t.Errorf("member %d is %s", i, m.Name)
		}
	}
	g.Members = nil
	if _, err := g.Config(); !errors.Is(err, ErrNoMembers) || hintOf(err) == "" {
		t.Errorf("without members: %v", err)
	}
}

// The cluster ID is a contract: nodes of different builds must agree on it.
func TestClusterID_IsFixed(t *testing.T) {
	const want = "a79795c8f1083049152850a4741caca80d1f2a859a469d86a42ba2c6414afc84"
	if got := testGenesis(t, crypto.SchemeEd25519, 4).ClusterID().String(); got != want {
		t.Errorf("cluster ID %s, want %s", got, want)
	}
}

func TestClusterID_DoesNotDependOnTheWriting(t *testing.T) {
	g := testGenesis(t, crypto.SchemeEd25519, 4)
	lines := strings.Split(string(g.Encode()), "\n")
	var params, rest, members []string
	for i, line := range lines {
		line, _, _ = strings.Cut(line, "#")
		switch {
		case strings.HasPrefix(line, "[[member]]") && members == nil:
			members = lines[i:]
		case members != nil || line == "" || line == "[params]":
		case strings.HasPrefix(line, "format"), strings.HasPrefix(line, "scheme"),
			strings.HasPrefix(line, "testnet"):
			rest = append([]string{line}, rest...)
		default:
			params = append([]string{"params." + line}, params...)
		}
	}
	text := strings.Join(append(append(params, rest...), members...), "\r\n")
	other, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if other.ClusterID() != g.ClusterID() {
		t.Errorf("%s became %s by other writing", g.ClusterID(), other.ClusterID())
	}
}

func TestClusterID_DependsOnAllContent(t *testing.T) {
	changes := map[string]func(*Genesis){
		"scheme":    func(g *Genesis) { g.Scheme = crypto.SchemeHybrid },
		"testnet":   func(g *Genesis) { g.Testnet = false },
		"order":     func(g *Genesis) { g.Members[0], g.Members[1] = g.Members[1], g.Members[0] },
		"fewer":     func(g *Genesis) { g.Members = g.Members[:3] },
		"name":      func(g *Genesis) { g.Members[2].Name = "other" },
		"peer":      func(g *Genesis) { g.Members[2].ID[0] ^= 1 },
		"key":       func(g *Genesis) { g.Members[2].Key = g.Members[1].Key },
		"proof":     func(g *Genesis) { g.Members[2].Proof = g.Members[1].Proof },
		"no proof":  func(g *Genesis) { g.Members[2].Proof = nil },
		"threshold": func(g *Genesis) { g.Admins.Threshold = 2 },
		"admins":    func(g *Genesis) { g.Admins.Keys = g.Admins.Keys[:1] },
		"admin":     func(g *Genesis) { g.Admins.Keys[0] = g.Members[2].Key },
	}
	for _, p := range params() {
		changes[p.name] = func(g *Genesis) { p.set(&g.Params, p.get(&g.Params)+1) }
	}
	seen := map[crypto.Digest]string{}
	for name, change := range changes {
		g := testGenesis(t, crypto.SchemeEd25519, 4)
		for i := range g.Members {
			g.Members[i].Proof = []byte{byte(i)} // nobody checks it here
		}
		g.Admins = Admins{Threshold: 1, Keys: [][]byte{g.Members[0].Key, g.Members[1].Key}}
		seen[g.ClusterID()] = "no change"
		change(g)
		if other, taken := seen[g.ClusterID()]; taken {
			t.Errorf("%s has the cluster ID of %s", name, other)
		}
		seen[g.ClusterID()] = name
	}
}

// A parameter that the file lacks would differ between members without anybody noticing.
func TestParams_AreAll(t *testing.T) {
	var p message.Params
	for i, param := range params() {
		param.set(&p, int64(i)+1)
	}
	v := reflect.ValueOf(p)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name != "Testnet" && v.Field(i).IsZero() {
			t.Errorf("no key in [params] sets %s", name)
		}
	}
	p = message.DefaultParams()
	for _, param := range params() {
		bad := p
		param.set(&bad, -1)
		if err := bad.Validate(); err == nil || !strings.HasPrefix(err.Error(), param.name+" ") {
			t.Errorf("%s = -1: %v", param.name, err)
		}
	}
}

func TestSetParam(t *testing.T) {
	p := message.DefaultParams()
	if err := SetParam(&p, "rotate-every", "7"); err != nil || p.RotateEvery != 7 {
		t.Errorf("rotate-every = 7: %d, %v", p.RotateEvery, err)
	}
	if err := SetParam(&p, "rotate-evry", "7"); err == nil || !strings.Contains(hintOf(err),
		"rotate-every") {
		t.Errorf("a typo: %v, hint %q", err, hintOf(err))
	}
	if err := SetParam(&p, "window", "many"); err == nil {
		t.Error("a word is taken for a number")
	}
}

func TestAdd_Refuses(t *testing.T) {
	const scheme = crypto.SchemeBLS12381
	for name, c := range map[string]struct {
		change func(m *Member, others []Member)
		want   string
		is     error
	}{
		"taken name": {
			func(m *Member, o []Member) { m.Name = o[1].Name },
			`member "node-1" has the name of member 1`, ErrDuplicate,
		},
		"taken peer": {
			func(m *Member, o []Member) { m.ID = o[2].ID },
			`member "node-9" has the peer ID of member 2, "node-2"`, ErrDuplicate,
		},
		"taken key": {
			func(m *Member, o []Member) { m.Key, m.Proof = o[0].Key, o[0].Proof },
			`has the signing key of member 0`, ErrDuplicate,
		},
		"no name": {
			func(m *Member, _ []Member) { m.Name = "" }, "cannot be a member's name",
			nil,
		},
		"upper case": {
			func(m *Member, _ []Member) { m.Name = "Alice" },
			"cannot be a member's name", nil,
		},
		"path": {
			func(m *Member, _ []Member) { m.Name = "../x" },
			"cannot be a member's name", nil,
		},
		"dots": {
			func(m *Member, _ []Member) { m.Name = ".." },
			"cannot be a member's name", nil,
		},
		"long": {
			func(m *Member, _ []Member) { m.Name = strings.Repeat("a", 64) },
			"cannot be", nil,
		},
		"foreign letter": {func(m *Member, _ []Member) { m.Name = "nöde" }, "cannot be", nil},
		"no peer": {
			func(m *Member, _ []Member) { m.ID = crypto.NodeID{} }, "",
			crypto.ErrPublicKey,
		},
		"short key": {
			func(m *Member, _ []Member) { m.Key = m.Key[1:] }, "",
			crypto.ErrPublicKey,
		},
		"no key":   {func(m *Member, _ []Member) { m.Key = nil }, "", crypto.ErrPublicKey},
		"no proof": {func(m *Member, _ []Member) { m.Proof = nil }, "", crypto.ErrKeyProof},
		"other's proof": {
			func(m *Member, o []Member) { m.Proof = o[0].Proof }, "",
			crypto.ErrKeyProof,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := testGenesis(t, scheme, 3)
			m := testMember(t, scheme, 9)
			c.change(&m, g.Members)
			err := g.Add(m)
			if err == nil || !strings.Contains(err.Error(), c.want) ||
				c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if len(g.Members) != 3 {
				t.Errorf("%d members after a refusal", len(g.Members))
			}
			// The same in a file, or in a value that somebody put together by hand.
			g.Members = append(g.Members, m)
			if _, err := g.Config(); err == nil {
				t.Error("Config accepts it")
			}
		})
	}
	g := testGenesis(t, crypto.SchemeEd25519, quorum.MaxReplicas)
	err := g.Add(testMember(t, crypto.SchemeEd25519, quorum.MaxReplicas))
	if err == nil || !strings.Contains(err.Error(), "one too many") {
		t.Errorf("member %d: %v", quorum.MaxReplicas, err)
	}
	if _, err := g.Config(); err != nil {
		t.Errorf("%d members: %v", quorum.MaxReplicas, err)
	}
}

func TestAdmins_Refuses(t *testing.T) {
	g := testGenesis(t, crypto.SchemeEd25519, 4)
	a, b := g.Members[0].Key, g.Members[1].Key
	for name, c := range map[string]struct {
		admins Admins
		want   string
	}{
		"twice the same":     {Admins{1, [][]byte{a, b, a}}, "key 2 is the same as key 0"},
		"short key":          {Admins{1, [][]byte{a, b[1:]}}, "key 1: crypto: bad public key"},
		"threshold above":    {Admins{3, [][]byte{a, b}}, "between 1 and 2"},
		"no threshold":       {Admins{0, [][]byte{a, b}}, "between 1 and 2"},
		"negative":           {Admins{-1, nil}, "between 0 and 0"},
		"threshold of none":  {Admins{1, nil}, "between 0 and 0"},
		"more than there be": {Admins{1, make([][]byte, MaxAdmins+1)}, "at most 128"},
	} {
		g.Admins = c.admins
		if _, err := g.Config(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func TestParse_NamesLineAndRemedy(t *testing.T) {
	const scheme = crypto.SchemeBLS12381
	good := testGenesis(t, scheme, 2)
	good.Admins = Admins{Threshold: 1, Keys: [][]byte{good.Members[0].Key}}
	text := string(good.Encode())
	lineOf := func(s, part string) int {
		before, _, _ := strings.Cut(s, part)
		return 1 + strings.Count(before, "\n")
	}
	key0, key1 := EncodeKey(good.Members[0].Key), EncodeKey(good.Members[1].Key)
	proof0, proof1 := EncodeKey(good.Members[0].Proof), EncodeKey(good.Members[1].Proof)
	for name, c := range map[string]struct{ old, new, at, want, hint string }{
		"typo": {"scheme =", "shceme =", "shceme", `unknown key "shceme"`, `"scheme"`},
		"parameter typo": {
			"window =", "widnow =", "widnow", `unknown key "widnow" in [params]`,
			`"window"`,
		},
		"lacking": {
			"window =", "# window =", "[params]", "window is missing in [params]",
			"",
		},
		"more": {
			"[params]", "[params]\ntaux = 1", "taux", `unknown key "taux"`,
			"max-batch",
		},
		"scheme": {
			`"bls12381"`, `"bls12382"`, "scheme =", "unknown signature scheme",
			`"bls12381"`,
		},
		"range": {"in-flight = 8", "in-flight = 99", "in-flight", "between 1 and 32", ""},
		"text": {
			"testnet = true", `testnet = "yes"`, "testnet =",
			"must be true or false", "",
		},
		"threshold": {
			"threshold = 1", "threshold = 2", "[admins]", "must be between 1 and 1",
			"",
		},
		"zero": {
			"threshold = 1", "threshold = 0", "[admins]", "must be between 1 and 1",
			"",
		},
		"peer":       {"12D3Koo", "12D3Ko0", "peer =", "peer: ", "byzd init"},
		"key":        {key1, key1[4:], "[[member]] # replica 1", "bad public key", ""},
		"not base64": {key1, "?" + key1, "?" + key1, "key: not base64", "copy"},
		"wrapped": {
			key1, key1[:8] + `\n` + key1[8:], key1[:8] + `\n`, "key: not base64",
			"",
		},
		"proof":    {proof1, proof0, "[[member]] # replica 1", "proof of possession", ""},
		"same key": {key1, key0, "[[member]] # replica 1", "proof of possession", ""},
		"name": {
			`"node-1"`, `"node-0"`, "[[member]] # replica 1",
			"has the name of member 0", "",
		},
		"secret": {"peer =", "seed = \"00\"\npeer =", "seed =", `unknown key "seed"`, ""},
		"twice": {
			"scheme =", "testnet = true\nscheme =", "testnet = true #",
			"already defined", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(text, c.old, c.new, 1)
			if changed == text {
				t.Fatal("the change changes nothing")
			}
			_, err := Parse([]byte(changed))
			if err == nil {
				t.Fatal("accepted")
			}
			line := lineOf(changed, c.at)
			prefix := fmt.Sprintf("genesis.toml:%d: ", line)
			if !strings.HasPrefix(err.Error(), prefix) || !strings.Contains(err.Error(), c.want) ||
				!strings.Contains(hintOf(err), c.hint) {
				t.Errorf("got  %v\nhint %s\nwant %s … %s, hint %s", err, hintOf(err), prefix,
					c.want, c.hint)
			}
		})
	}
}

func TestParse_RefusesOtherFormats(t *testing.T) {
	g := testGenesis(t, crypto.SchemeEd25519, 1)
	text := strings.Replace(string(g.Encode()), "format = 1", "format = 2\nnovelty = true", 1)
	_, err := Parse([]byte(text))
	if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "has format 2") ||
		!strings.Contains(err.Error(), "reads format 1") || hintOf(err) == "" {
		t.Errorf("format 2: %v", err)
	}
	_, err = Parse([]byte(strings.Replace(string(g.Encode()), "format = 1\n", "", 1)))
	if err == nil || !strings.Contains(err.Error(), "format is missing") {
		t.Errorf("no format: %v", err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "genesis.toml")
	g := testGenesis(t, crypto.SchemeEd25519, 4)
	if err := g.Save(path); err != nil {
		t.Fatal(err)
	}
	g.Members = g.Members[:2]
	if err := g.Save(path); err != nil {
		t.Fatal(err)
	}
	back, err := Load(path)
	if err != nil || back.ClusterID() != g.ClusterID() {
		t.Errorf("loaded %v, %v", back, err)
	}
	g.Members = append(g.Members, g.Members[0])
	if err = g.Save(path); !errors.Is(err, ErrDuplicate) {
		t.Errorf("saving a duplicate: %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if err := g.Save(filepath.Join(path, "x")); err == nil {
		t.Error("saved below a file")
	}
	if _, err := Load(path + ".missing"); !errors.Is(err, os.ErrNotExist) || hintOf(err) == "" {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, make([]byte, MaxFileBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a huge file: %v", err)
	}
}

func TestMemberFile(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		m := testMember(t, scheme, 3)
		back, name, err := parseMemberFile("member.toml", EncodeMember(scheme, m))
		if err != nil || name != scheme || !reflect.DeepEqual(
			[]any{back.Name, back.ID, EncodeKey(back.Key), EncodeKey(back.Proof)},
			[]any{m.Name, m.ID, EncodeKey(m.Key), EncodeKey(m.Proof)}) {
			t.Errorf("%s: %+v, %s, %v", scheme, back, name, err)
		}
		path := filepath.Join(t.TempDir(), "member.toml")
		text := strings.Replace(string(EncodeMember(scheme, m)), "node-3", "Node 3", 1)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := LoadMember(path); err == nil || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("a bad name: %v", err)
		}
		if _, _, err := parseMemberFile("member.toml", testGenesis(t, scheme,
			1).Encode()); err == nil {
			t.Error("a genesis is taken for a member")
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, scheme := range []string{crypto.SchemeEd25519, crypto.SchemeBLS12381} {
		g := testGenesis(f, scheme, 2)
		g.Admins = Admins{Threshold: 1, Keys: [][]byte{g.Members[0].Key}}
		f.Add(g.Encode())
	}
	f.Add(EncodeMember(crypto.SchemeEd25519, testMember(f, crypto.SchemeEd25519, 0)))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _, _ = parseMemberFile("member.toml", data)
		g, err := Parse(data)
		if err != nil {
			return
		}
		if err = g.Check(); err != nil {
			t.Fatalf("Parse accepts what Check refuses: %v", err)
		}
		back, err := Parse(g.Encode())
		if err != nil {
			t.Fatalf("cannot read what Encode wrote: %v\n%s", err, g.Encode())
		}
		if back.ClusterID() != g.ClusterID() {
			t.Fatalf("%s became %s", g.ClusterID(), back.ClusterID())
		}
	})
}
