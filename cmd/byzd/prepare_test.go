package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/daemon/config"
	"byzd/daemon/genesis"
)

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// edit replaces one part of a file, which must be there.
func edit(t *testing.T, path, old, replacement string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, replacement, 1)
	if changed == string(text) {
		t.Fatalf("%s does not hold %q", path, old)
	}
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestInit(t *testing.T) {
	inEmptyDir(t)
	for _, scheme := range crypto.SchemeNames() {
		home := "node-" + strings.ReplaceAll(scheme, "+", "-")
		id := decode[identity](t, must(t, "init", "--home", home, "--json", "--scheme", scheme,
			"--loopback", "--gossip", "127.0.0.1:1", "--join", "a:1", "--join", "b:2"))
		m, s, err := genesis.LoadMember(config.Home(home).Member())
		if err != nil || s != scheme || id.Scheme != scheme || id.Name != home || m.Name != home ||
			id.Peer != m.ID.String() || id.Key != genesis.EncodeKey(m.Key) ||
			!filepath.IsAbs(id.Home) {
			t.Errorf("%s: printed %+v, wrote %+v, %v", scheme, id, m, err)
		}
		text, err := os.ReadFile(id.Member)
		if err != nil || strings.Contains(string(text), "seed") {
			t.Errorf("%s: %s, %v", scheme, text, err)
		}
		c, err := config.Load(config.Home(home), nil, nil)
		if err != nil || c.Listen != "127.0.0.1:0" || c.Operator != "127.0.0.1:0" ||
			c.Gossip != "127.0.0.1:1" || !slices.Equal(c.Join, []string{"a:1", "b:2"}) {
			t.Errorf("%s: settings %+v, %v", scheme, c, err)
		}
	}
	r := runMain(t, "init", "--home", "plain", "--name", "alice")
	if r.code != exitGood || !strings.HasPrefix(r.out, "alice is 12D3KooW") ||
		!strings.Contains(r.errors, "byzd genesis add genesis.toml plain/member.toml\n") {
		t.Errorf("exit %d, %q, %q", r.code, r.out, r.errors)
	}
}

func TestInit_Refuses(t *testing.T) {
	inEmptyDir(t)
	must(t, "init", "--home", "alice")
	if err := os.MkdirAll("other", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("other/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, exitUsage, "no home is named", "byzd init --home DIR", "init")
	refuses(t, exitUsage, "byzd init takes no arguments, but 1 is given", "usage: byzd init",
		"init", "alice")
	refuses(t, exitFailed, "alice: the directory is not empty", "it is a node's home already",
		"init", "--home", "alice")
	refuses(t, exitFailed, "other: the directory is not empty", "choose another", "init", "--home",
		"other")
	refuses(t, exitFailed, "not a directory", "", "init", "--home", "other/file/x")
	refuses(t, exitUsage, "unknown signature scheme", "", "init", "--home", "x", "--scheme", "rsa")
	refuses(t, exitUsage, "the home's name does not fit", "--name NAME", "init", "--home", "Äpfel")
	refuses(t, exitUsage, `"A B" cannot be a member's name`, "lower-case", "init", "--home", "x",
		"--name", "A B")
	refuses(t, exitUsage, `listen = "x" (--listen)`, "listen must be", "init", "--home", "x",
		"--listen", "x")
	refuses(t, exitUsage, "0.0.0.0 is not a loopback address", "ssh -L",
		"init", "--home", "x", "--operator", "0.0.0.0:1")
	left, err := filepath.Glob(".byzd*")
	if _, missing := os.Stat("x"); err != nil || len(left) != 0 || !os.IsNotExist(missing) {
		t.Errorf("left behind: %q, %v", left, missing)
	}
}

func TestKeygen(t *testing.T) {
	inEmptyDir(t)
	for _, scheme := range crypto.SchemeNames() {
		file := scheme + ".key"
		made := decode[identity](t, must(t, "keygen", file, "--json", "--scheme", scheme))
		shown := decode[identity](t, must(t, "keygen", "--json", "--show", file, "--scheme",
			scheme))
		if made != shown || made.Peer == "" || made.Key == "" {
			t.Errorf("%s: made %+v, shows %+v", scheme, made, shown)
		}
		seed, err := crypto.ReadSeed(file)
		if err != nil || crypto.NewNetworkKey(seed).ID().String() != made.Peer {
			t.Errorf("%s: the file holds another key: %v", scheme, err)
		}
		if out := must(t, "keygen", "--show", file, "--scheme", scheme); !strings.Contains(out,
			made.Key) {
			t.Errorf("%s: prints %s", scheme, out)
		}
	}
	refuses(t, exitFailed, "a key is never overwritten", "--show ed25519.key", "keygen",
		"ed25519.key")
	refuses(t, exitFailed, "no such file", "byzd keygen none.key", "keygen", "--show", "none.key")
	refuses(t, exitUsage, "byzd keygen takes 1 argument, but none is given",
		"usage: byzd keygen FILE", "keygen")
	refuses(t, exitUsage, "unknown signature scheme", "", "keygen", "x", "--scheme", "dsa")
	if err := os.Chmod("ed25519.key", 0o644); err != nil {
		t.Fatal(err)
	}
	refuses(t, exitFailed, "open to others", "chmod 600 ed25519.key", "keygen", "--show",
		"ed25519.key")
	if err := os.WriteFile("torn.key", []byte("00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, exitFailed, "hexadecimal digits", "restore it from a copy", "keygen", "--show",
		"torn.key")
	if _, err := os.Stat("x"); !os.IsNotExist(err) {
		t.Errorf("a refused keygen leaves a file: %v", err)
	}
}

func TestGenesis(t *testing.T) {
	inEmptyDir(t)
	for _, name := range []string{"alice", "bob", "carol"} {
		must(t, "init", "--home", name)
	}
	admin := decode[identity](t, must(t, "keygen", "admin.key", "--json"))
	must(t, "genesis", "new", "--testnet", "--param", "rotate-every=7", "--admin", admin.Key)
	must(t, "genesis", "add", "genesis.toml", "bob/member.toml", "alice/member.toml")
	carol, _, err := genesis.LoadMember("carol/member.toml")
	if err != nil {
		t.Fatal(err)
	}
	added := decode[genesisJSON](t, must(t, "genesis", "add", "genesis.toml", "--json", "--name",
		"karla",
		"--peer", carol.ID.String(), "--key", genesis.EncodeKey(carol.Key)))
	shown := decode[genesisJSON](t, must(t, "genesis", "show", "genesis.toml", "--json"))
	if added.Cluster != shown.Cluster || shown.N != 3 || shown.F != 0 || shown.Q != 2 ||
		!shown.Testnet ||
		shown.Params["rotate-every"] != 7 || len(shown.Params) != len(genesis.ParamNames()) ||
		shown.Admins.Threshold != 1 || !slices.Equal(shown.Admins.Keys, []string{admin.Key}) {
		t.Errorf("shows %+v", shown)
	}
	for i, name := range []string{"bob", "alice", "karla"} {
		if shown.Members[i].Name != name || shown.Members[i].Node != i {
			t.Errorf("member %d is %+v", i, shown.Members[i])
		}
	}
	out := must(t, "genesis", "show", "genesis.toml")
	for _, part := range []string{shown.Cluster, carol.ID.String(), "rotate-every", "karla"} {
		if !strings.Contains(out, part) {
			t.Errorf("%s is not in\n%s", part, out)
		}
	}
	must(t, "genesis", "new", "--home", "alice", "--scheme", crypto.SchemeBLS12381)
	if g := decode[genesisJSON](t, must(t, "genesis", "show", "--home", "alice",
		"--json")); g.N != 0 ||
		g.Scheme != crypto.SchemeBLS12381 || g.Members == nil {
		t.Errorf("in the home: %+v", g)
	}
}

func TestGenesis_Refuses(t *testing.T) {
	inEmptyDir(t)
	must(t, "init", "--home", "alice")
	must(t, "init", "--home", "bob", "--scheme", crypto.SchemeBLS12381)
	must(t, "init", "--home", "second", "--name", "alice")
	must(t, "genesis", "new")
	must(t, "genesis", "add", "genesis.toml", "alice/member.toml")
	before, err := os.ReadFile("genesis.toml")
	if err != nil {
		t.Fatal(err)
	}
	add := func(code int, want, hint string, args ...string) {
		t.Helper()
		refuses(t, code, want, hint, append([]string{"genesis", "add"}, args...)...)
	}
	refuses(t, exitFailed, "genesis.toml exists already", "choose another file", "genesis", "new")
	refuses(t, exitUsage, "--out and --home both", "only one", "genesis", "new", "--out", "x",
		"--home", "alice")
	refuses(t, exitUsage, "unknown signature scheme", "", "genesis", "new", "--out", "x",
		"--scheme", "rsa")
	refuses(t, exitUsage, `no parameter "widnow"`, `"window"`, "genesis", "new", "--out", "x",
		"--param", "widnow=1")
	refuses(t, exitUsage, `"window" sets no parameter`, "KEY=VALUE", "genesis", "new", "--out", "x",
		"--param", "window")
	refuses(t, exitUsage, "in-flight is 99", "", "genesis", "new", "--out", "x", "--param",
		"in-flight=99")
	refuses(t, exitUsage, `administrator "x"`, "keygen --show", "genesis", "new", "--out", "x",
		"--admin", "x")
	refuses(t, exitUsage, "threshold is 2", "", "genesis", "new", "--out", "x", "--admin-threshold",
		"2")
	refuses(t, exitFailed, "no such file", "byzd genesis new", "genesis", "show", "none.toml")
	refuses(t, exitUsage, "takes at most 1 argument, but 2 are given", "usage: byzd genesis show",
		"genesis", "show", "a", "b")

	add(exitUsage, "takes at least 1 argument, but none is given", "usage: byzd genesis add")
	add(exitUsage, "either by a file or by flags", "member.toml", "genesis.toml")
	add(exitUsage, "either by a file or by flags", "member.toml", "genesis.toml",
		"alice/member.toml", "--name", "x")
	add(exitFailed, "no such file", "byzd genesis new", "none.toml", "alice/member.toml")
	add(exitFailed, "no such file", "byzd init", "genesis.toml", "none.toml")
	add(exitFailed, "has the name of member 0", "", "genesis.toml", "alice/member.toml")
	add(exitFailed, "has the name of member 0", "", "genesis.toml", "second/member.toml")
	add(exitFailed, "the key is of scheme bls12381", "--scheme ed25519", "genesis.toml",
		"bob/member.toml")
	add(exitFailed, `unknown key "testnet"`, "known here", "genesis.toml", "genesis.toml")
	add(exitUsage, "--peer: ", "byzd init", "genesis.toml", "--name", "x", "--peer", "12D3")
	id := decode[identity](t, must(t, "keygen", "x.key", "--json"))
	add(exitUsage, "--key: not base64", "member.toml", "genesis.toml", "--peer", id.Peer, "--key",
		"?")
	add(exitUsage, "cannot be a member's name", "lower-case", "genesis.toml", "--peer", id.Peer,
		"--key", id.Key)
	edit(t, "second/member.toml", `"alice"`, `"second"`)
	edit(t, "second/member.toml", "key =", "kay =")
	add(exitFailed, `second/member.toml:10: unknown key "kay"`, `"key"`, "genesis.toml",
		"second/member.toml")

	if after, err := os.ReadFile("genesis.toml"); err != nil || !bytes.Equal(after, before) {
		t.Errorf("a refusal changed the genesis: %v", err)
	}
	if _, err := os.Stat("x"); !os.IsNotExist(err) {
		t.Errorf("a refused genesis new leaves a file: %v", err)
	}
}

func TestConfig_Print(t *testing.T) {
	inEmptyDir(t)
	must(t, "init", "--home", "alice", "--gossip", "127.0.0.1:1", "--client", "127.0.0.1:2")
	t.Setenv("BYZD_CLIENT", "127.0.0.1:20")
	t.Setenv("BYZD_LOG_LEVEL", "debug")
	t.Setenv("BYZD_HOME", "alice")
	type entry struct{ Name, Value, Origin string }
	entries := decode[[]entry](t, must(t, "config", "print", "--json", "--operator", "127.0.0.1:3"))
	for _, want := range []entry{
		{"gossip", "127.0.0.1:1", "byzd.toml:10"},
		{"client", "127.0.0.1:20", "BYZD_CLIENT"},
		{"operator", "127.0.0.1:3", "--operator"},
		{"listen", "0.0.0.0:7945", "default"},
		{"log-level", "debug", "BYZD_LOG_LEVEL"},
	} {
		if !slices.Contains(entries, want) {
			t.Errorf("%v is not in %v", want, entries)
		}
	}
	if out := must(t, "config", "print", "--origin", "--log-level", "warn"); !strings.Contains(out,
		"BYZD_CLIENT") ||
		!strings.Contains(out, "--log-level") || !strings.Contains(out, "byzd.toml:10") {
		t.Errorf("prints\n%s", out)
	}
	if out := must(t, "config", "print"); strings.Contains(out, "default") {
		t.Errorf("prints origins unasked:\n%s", out)
	}
	t.Setenv("BYZD_CLEINT", "x")
	refuses(t, exitFailed, "unknown variable BYZD_CLEINT", `"BYZD_CLIENT"`, "config", "print")
}

func TestConfig_Refuses(t *testing.T) {
	inEmptyDir(t)
	must(t, "init", "--home", "alice")
	must(t, "init", "--home", "bob")
	must(t, "genesis", "new", "--home", "alice")
	check := func(code int, want, hint string) {
		t.Helper()
		refuses(t, code, want, hint, "config", "check", "--home", "alice")
	}
	refuses(t, exitUsage, "no home is named", "--home DIR", "config", "check")
	refuses(t, exitFailed, "no home: ", "byzd init --home none", "config", "check", "--home",
		"none")
	refuses(t, exitFailed, "is not a directory", "", "config", "print", "--home", "alice/byzd.toml")
	refuses(t, exitFailed, "genesis.toml: no such file", "copy it from another member", "config",
		"check", "--home", "bob")
	refuses(t, exitUsage, `gossip = "x" (--gossip)`, "gossip must be", "config", "print", "--home",
		"bob", "--gossip", "x")
	refuses(t, exitUsage, "log-level", "one of debug", "config", "check", "--home", "bob",
		"--log-level", "loud")
	check(exitFailed, "the genesis has no members", "byzd genesis add")
	must(t, "genesis", "add", "alice/genesis.toml", "bob/member.toml")
	check(exitFailed, "is not a member of cluster", "byzd genesis add GENESIS alice/member.toml")
	must(t, "genesis", "add", "alice/genesis.toml", "alice/member.toml")
	if out := must(t, "config", "check", "--home", "alice"); !strings.Contains(out,
		"alice is node 1 of cluster") {
		t.Errorf("prints %s", out)
	}
	for _, file := range []string{"network.key", "signing.key"} {
		path := filepath.Join("alice", file)
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		check(exitFailed, "open to others", "chmod 600 "+path)
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit(t, "alice/byzd.toml", "# listen =", "lisen =")
	check(exitFailed, `alice/byzd.toml:7: unknown key "lisen"`, `"listen"`)
	edit(t, "alice/byzd.toml", "lisen =", "# listen =")
	edit(t, "alice/genesis.toml", "format = 1", "format = 2")
	check(exitFailed, "has format 2, but this byzd reads format 1", "use the byzd that wrote it")
	edit(t, "alice/genesis.toml", "format = 2", "format = 1")
	if err := os.Rename("bob/signing.key", "alice/signing.key"); err != nil {
		t.Fatal(err)
	}
	check(exitFailed, "the signing key is not the one that the genesis has",
		"another alice/signing.key")
	if err := os.Remove("alice/network.key"); err != nil {
		t.Fatal(err)
	}
	check(exitFailed, "no such file", "byzd init")
}
