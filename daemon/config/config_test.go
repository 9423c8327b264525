package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"byzd/crypto"
	"byzd/daemon/genesis"
)

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// homeWith returns a home whose byzd.toml has this text.
func homeWith(t *testing.T, text string) Home {
	t.Helper()
	h := Home(t.TempDir())
	if err := os.WriteFile(h.Config(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestLoad_LayersStandAboveEachOther(t *testing.T) {
	h := homeWith(t, "# settings\nlisten = \"127.0.0.1:1\"\ngossip = \"127.0.0.1:2\"\n\n"+
		"client = \"127.0.0.1:3\"\njoin = [\"a:1\", \"b:2\"]\ndisk-quota = \"2KiB\"\n")
	environ := []string{
		"PATH=/bin", "BYZD_HOME=/x", "BYZD_GOSSIP=127.0.0.1:20", "BYZD_CLIENT=127.0.0.1:30",
		"BYZD_LOG_LEVEL=debug", "BYZD_JOIN=c:3, [::1]:4",
	}
	c, err := Load(h, environ, map[string][]string{"client": {"127.0.0.1:300"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{"listen", "127.0.0.1:1", "byzd.toml:2"},
		{"gossip", "127.0.0.1:20", "BYZD_GOSSIP"},
		{"advertise", "", "default"},
		{"join", "c:3,[::1]:4", "BYZD_JOIN"},
		{"client", "127.0.0.1:300", "--client"},
		{"operator", "127.0.0.1:7947", "default"},
		{"disk-quota", "2048", "byzd.toml:7"},
		{"snapshot-every", "30s", "default"},
		{"keep-batches", "8192", "default"},
		{"keep-bytes", "268435456", "default"},
		{"log-level", "debug", "BYZD_LOG_LEVEL"},
		{"log-format", "text", "default"},
	}
	if got := c.Origins(); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if c.Client != "127.0.0.1:300" || c.DiskQuota != 2048 || len(c.Join) != 2 ||
		c.LogLevel != "debug" {
		t.Errorf("the values are not those of the origins: %+v", c)
	}
}

func TestLoad_WithoutAFileTakesDefaults(t *testing.T) {
	c, err := Load(Home(t.TempDir()), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range c.Origins() {
		if e.Origin != "default" {
			t.Errorf("%s comes from %s", e.Key, e.Origin)
		}
	}
	if len(c.Join) != 0 {
		t.Errorf("contacts %q", c.Join)
	}
}

func TestLoad_RefusesByNameValueAndOrigin(t *testing.T) {
	for name, c := range map[string]struct {
		file      string
		environ   []string
		flags     map[string][]string
		want, say string // in the error, in the hint
	}{
		"key": {
			file: "\nlisten-addr = \"x\"",
			want: `byzd.toml:2: unknown key "listen-addr"`, say: "known here",
		},
		"typo": {
			file: "lisen = \"x\"", want: `byzd.toml:1: unknown key "lisen"`,
			say: `"listen"`,
		},
		"underscore": {
			file: "log_level = \"info\"", want: `unknown key "log_level"`,
			say: `"log-level"`,
		},
		"table": {
			file: "[node]\nlisten = \"127.0.0.1:1\"",
			want: `byzd.toml:1: unknown key "node"`,
		},
		"number": {
			file: "listen = 7946",
			want: "byzd.toml:1: listen must be a text in quotes",
		},
		"one contact": {
			file: "join = \"a:1\"",
			want: "byzd.toml:1: join must be a list of texts",
		},
		"mixed contacts": {
			file: "join = [\"a:1\", 2]",
			want: "byzd.toml:1: join must be a list of texts",
		},
		"quota": {
			file: "disk-quota = true",
			want: "byzd.toml:1: disk-quota must be a number of bytes",
		},
		"twice": {
			file: "listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:1\"",
			want: "byzd.toml:2: ",
		},
		"torn": {file: "listen = \"127", want: "byzd.toml:1: "},
		"variable": {
			environ: []string{"BYZD_LISEN=x"}, want: "unknown variable BYZD_LISEN",
			say: `"BYZD_LISTEN"`,
		},
		"flag": {
			flags: map[string][]string{"lisen": {"x"}},
			want:  "unknown setting --lisen", say: `"listen"`,
		},
		"flag twice": {
			flags: map[string][]string{"listen": {"a", "b"}},
			want:  "listen is given 2 times (--listen)",
		},
		"no port": {
			file: "listen = \"127.0.0.1\"",
			want: `listen = "127.0.0.1" (byzd.toml:1): missing port`, say: "port 0",
		},
		"port": {
			environ: []string{"BYZD_GOSSIP=127.0.0.1:70000"},
			want:    `gossip = "127.0.0.1:70000" (BYZD_GOSSIP): port "70000" is not`,
			say:     "gossip must be an IP",
		},
		"zone": {
			environ: []string{"BYZD_LISTEN=[fe80::1%\"]:1"},
			want:    "is not an IP address",
		},
		"inner blank": {file: "join = [\"a b:1\"]", want: `"a b" is not a host`},
		"name": {
			file: "listen = \"example.org:1\"",
			want: `"example.org" is not an IP address`,
		},
		"open operator": {
			flags: map[string][]string{"operator": {"0.0.0.0:7947"}},
			want:  `operator = "0.0.0.0:7947" (--operator): 0.0.0.0 is not a loopback address`,
			say:   "ssh -L",
		},
		"open operator, six": {
			environ: []string{"BYZD_OPERATOR=[::]:1"},
			want:    ":: is not a loopback address",
		},
		"mapped": {
			environ: []string{"BYZD_OPERATOR=[::ffff:10.0.0.1]:1"},
			want:    "not a loopback address",
		},
		"contact": {
			file: "join = [\"a:1\", \"b\"]",
			want: `(byzd.toml:1): contact "b": missing port`,
		},
		"contact's port":  {file: "join = [\"a:0\"]", want: `contact "a:0": port 0`},
		"contact's host":  {file: "join = [\"a b:1\"]", want: `"a b" is not a host`},
		"empty contact":   {environ: []string{"BYZD_JOIN=a:1,,b:2"}, want: `contact ""`},
		"advertise any":   {file: "advertise = \"0.0.0.0\"", want: "nobody can reach 0.0.0.0"},
		"advertise port":  {file: "advertise = \"a:0\"", want: "port 0 is nobody's"},
		"advertise words": {file: "advertise = \"a b\"", want: `"a b" is not a host`},
		"level": {
			environ: []string{"BYZD_LOG_LEVEL=wran"},
			want:    `did you mean "warn"?`, say: "one of debug,",
		},
		"format": {
			file: "log-format = \"xml\"",
			want: `log-format = "xml" (byzd.toml:1)`, say: "one of text, json",
		},
		"unit": {
			file: "disk-quota = \"3 lb\"", want: "not a whole number",
			say: "20GiB",
		},
		"small unit": {file: "disk-quota = \"3K\"", want: `there is no unit "K"`},
		"negative":   {file: "disk-quota = -1", want: "not a whole number of bytes"},
		"too much":   {file: "disk-quota = \"9000000TiB\"", want: "too large"},
		"covered": {
			file: "listen = \"x\"", flags: map[string][]string{"listen": {"127.0.0.1:1"}},
			want: `listen = "x" (byzd.toml:1)`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(homeWith(t, c.file), c.environ, c.flags)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			if !strings.Contains(hintOf(err), c.say) {
				t.Errorf("hint %q, want %q in it", hintOf(err), c.say)
			}
		})
	}
}

func TestLoad_AcceptsWhatIsLegal(t *testing.T) {
	for _, text := range []string{
		"listen = \"[::]:0\"", "listen = \"[fe80::1%eth0]:0\"", "client = \"localhost:2379\"",
		"operator = \"[::1]:0\"",
		"operator = \"127.9.9.9:1\"", "advertise = \"node-1.example.org\"",
		"advertise = \"10.0.0.1\"",
		"advertise = \"fd00::1\"", "advertise = \"[fd00::1]:7946\"", "advertise = \"a:1\"",
		"join = []",
		"disk-quota = 0", "disk-quota = \"500MB\"", "disk-quota = 1_000",
	} {
		if _, err := Load(homeWith(t, text), nil, nil); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCreate(t *testing.T) {
	for _, scheme := range crypto.SchemeNames() {
		h := Home(filepath.Join(t.TempDir(), "deep", "alice"))
		m, err := Create(h, "alice", scheme, map[string][]string{
			"listen": {"127.0.0.1:0"}, "join": {"a:1", "b:2"}, "disk-quota": {"1GiB"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]os.FileMode{
			string(h): 0o700, h.NetworkKey(): 0o600, h.SigningKey(): 0o600,
		} {
			info, missing := os.Stat(path)
			if missing != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v; want %o", path, info, missing, want)
			}
		}
		network, signing, err := ReadKeys(h)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := crypto.SchemeByName(scheme)
		signer, err := s.NewSigner(signing)
		if err != nil {
			t.Fatal(err)
		}
		read, readScheme, err := genesis.LoadMember(h.Member())
		again := genesis.NewMember("alice", network, signer)
		if err != nil || readScheme != scheme || read.ID != again.ID || m.ID != again.ID ||
			!bytes.Equal(read.Key, again.Key) {
			t.Errorf("%s: member.toml does not hold the public half: %v, %v", scheme, read, err)
		}
		c, err := Load(h, nil, nil)
		if err != nil || c.Listen != "127.0.0.1:0" || len(c.Join) != 2 || c.DiskQuota != 1<<30 {
			t.Errorf("%s: settings %+v, %v", scheme, c, err)
		}
		if _, err := Create(h, "alice", scheme, nil); !errors.Is(err, ErrHomeExists) ||
			!strings.Contains(hintOf(err), "byzd run") {
			t.Errorf("again: %v, hint %s", err, hintOf(err))
		}
		if network2, _, err := ReadKeys(h); err != nil || network2.ID() != network.ID() {
			t.Errorf("the refusal touched the keys: %v", err)
		}
	}
}

// The comments show the defaults: with every # before an assignment removed, nothing changes.
func TestCreate_CommentsShowTheDefaults(t *testing.T) {
	text, err := fileWith(nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if strings.Contains(line, " = ") && !strings.Contains(line, "stops voting") {
			lines[i] = strings.TrimPrefix(line, "# ")
		}
	}
	c, err := Load(homeWith(t, strings.Join(lines, "\n")), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	standard, err := Load(Home(t.TempDir()), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range c.Origins() {
		if e.Value != standard.Origins()[i].Value || !strings.HasPrefix(e.Origin, "byzd.toml:") {
			t.Errorf("%+v, but the default is %+v", e, standard.Origins()[i])
		}
	}
}

func TestCreate_LeavesNothingBehind(t *testing.T) {
	parent := t.TempDir()
	occupied := filepath.Join(parent, "occupied")
	if err := os.Mkdir(occupied, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(occupied, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(occupied, "x")
	for name, try := range map[string]func() error{
		"occupied": func() error {
			_, err := Create(Home(occupied), "a", "ed25519",
				nil)
			return err
		},
		"a file": func() error { _, err := Create(Home(file), "a", "ed25519", nil); return err },
		"below": func() error {
			_, err := Create(Home(file+"/y"), "a", "ed25519",
				nil)
			return err
		},
		"name": func() error {
			_, err := Create(Home(parent+"/n"), "A B", "ed25519",
				nil)
			return err
		},
		"scheme": func() error {
			_, err := Create(Home(parent+"/n"), "a", "ed25518",
				nil)
			return err
		},
		"setting": func() error {
			_, err := Create(Home(parent+"/n"), "a", "ed25519",
				map[string][]string{"listen": {"x"}})
			return err
		},
	} {
		if err := try(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for dir, want := range map[string]string{parent: "occupied", occupied: "x"} {
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 || entries[0].Name() != want {
			t.Errorf("%s holds %v, %v", dir, entries, err)
		}
	}
	empty := Home(filepath.Join(parent, "empty"))
	if err := os.Mkdir(string(empty), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(empty, "a", "ed25519", nil); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestReadKeys_Refuses(t *testing.T) {
	h := Home(filepath.Join(t.TempDir(), "a"))
	if _, _, err := ReadKeys(h); !errors.Is(err, os.ErrNotExist) ||
		!strings.Contains(hintOf(err), "byzd init") {
		t.Errorf("no home: %v, hint %s", err, hintOf(err))
	}
	if _, err := Create(h, "a", "ed25519", nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{h.NetworkKey(), h.SigningKey()} {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ReadKeys(h); !errors.Is(err, crypto.ErrSeedPermissions) ||
			!strings.Contains(hintOf(err), "chmod 600 "+path) {
			t.Errorf("%s is open: %v, hint %s", path, err, hintOf(err))
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(h.SigningKey(), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadKeys(h); !errors.Is(err, crypto.ErrSeedFormat) || hintOf(err) == "" {
		t.Errorf("a damaged key: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	h := Home(t.TempDir())
	if _, err := h.ReadAddresses(); !errors.Is(err, ErrNotRunning) || hintOf(err) == "" {
		t.Errorf("without a node: %v", err)
	}
	a := Addresses{
		PID: 7, Listen: "127.0.0.1:1", Gossip: "127.0.0.1:2", Client: "127.0.0.1:3",
		Operator: "http://127.0.0.1:4",
	}
	if err := h.WriteAddresses(a); err != nil {
		t.Fatal(err)
	}
	a.PID = 8
	if err := h.WriteAddresses(a); err != nil {
		t.Fatal(err)
	}
	if got, err := h.ReadAddresses(); err != nil || got != a {
		t.Errorf("read %+v, %v", got, err)
	}
	var keys map[string]any
	text, err := os.ReadFile(h.Addresses())
	if err != nil || json.Unmarshal(text, &keys) != nil || len(keys) != 5 || keys["pid"] != 8.0 {
		t.Errorf("the file holds %s, %v", text, err)
	}
	if err := os.WriteFile(h.Addresses(), []byte(`{"pid":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ReadAddresses(); err == nil || hintOf(err) == "" {
		t.Errorf("a torn file: %v", err)
	}
	for range 2 { // once is enough, twice is fine
		if err := h.RemoveAddresses(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	text, err := fileWith(map[string][]string{"join": {"a:1"}, "disk-quota": {"1GiB"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text), "127.0.0.1:1", "a:1")
	f.Fuzz(func(t *testing.T, file, operator, join string) {
		h := Home(t.TempDir())
		if err := os.WriteFile(h.Config(), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(h, []string{"BYZD_OPERATOR=" + operator, "BYZD_JOIN=" + join}, nil)
		if err != nil {
			return
		}
		// What was accepted can be written into a file and is the same again.
		settings := map[string][]string{}
		for _, e := range c.Origins() {
			settings[e.Key] = []string{e.Value}
		}
		settings["join"] = c.Join
		text, err := fileWith(settings)
		if err != nil {
			t.Fatal(err)
		}
		if err = os.WriteFile(h.Config(), text, 0o600); err != nil {
			t.Fatal(err)
		}
		back, err := Load(h, nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		for i, e := range back.Origins() {
			if e.Value != c.Origins()[i].Value {
				t.Fatalf("%+v became %+v", c.Origins()[i], e)
			}
		}
	})
}

// The next key takes the place of the first at once, whichever of the two steps a crash left undone.
func TestRekey(t *testing.T) {
	for _, crashed := range []bool{false, true} {
		h := Home(filepath.Join(t.TempDir(), "node"))
		if _, err := Create(h, "alice", "ed25519", nil); err != nil {
			t.Fatal(err)
		}
		if err := Rekey(h); err != nil {
			t.Errorf("without a next key: %v", err)
		}
		old, _ := os.ReadFile(h.SigningKey())
		next := [32]byte{7}
		if err := crypto.WriteSeed(h.NextKey(), next); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(h.NextMember(), []byte("next"), 0o600); err != nil {
			t.Fatal(err)
		}
		if crashed { // after the first step
			if err := os.Rename(h.NextMember(), h.Member()); err != nil {
				t.Fatal(err)
			}
		}
		if err := Rekey(h); err != nil {
			t.Fatal(err)
		}
		_, seed, err := ReadKeys(h)
		member, _ := os.ReadFile(h.Member())
		if err != nil || seed != next || string(member) != "next" {
			t.Errorf("crashed %v: %v, %v, %s", crashed, seed == next, err, member)
		}
		files, err := filepath.Glob(string(h) + "/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, bytes.TrimSpace(old)) {
				t.Errorf("%s holds the old key", path)
			}
		}
	}
}
