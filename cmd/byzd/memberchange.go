package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"byzd/daemon/changefile"
	"byzd/daemon/config"
	"byzd/daemon/genesis"
	"byzd/daemon/operator"
	"byzd/pbft/message"
	"byzd/pbft/quorum"
)

// genesisOf reads the genesis that a command goes by.
func genesisOf(c *cli.Context) (*genesis.Genesis, *message.Config, error) {
	path := c.String("genesis")
	if path == "" {
		path = config.Home(c.String(flagHome)).Genesis()
	}
	g, err := genesis.Load(path)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := g.Config()
	return g, cfg, err
}

// today asks a node for the proofs, and follows them from the genesis: a node may say nothing about
// the members that it cannot prove.
func today(c *cli.Context) (*message.Config, error) {
	_, cfg, err := genesisOf(c)
	if err != nil {
		return nil, err
	}
	data, err := callOperator(c, http.MethodGet, "/epochs", nil)
	if err != nil {
		return nil, err
	}
	return followed(cfg, data)
}

// followed is where the proofs lead that a node gave.
func followed(first *message.Config, proofs []byte) (*message.Config, error) {
	chain, err := message.DecodeEpochs(first, proofs)
	if err != nil {
		return nil, err
	}
	return message.FollowEpochs(first, chain)
}

// haveAdmins returns an error if nobody can change the members of a cluster.
func haveAdmins(cfg *message.Config) error {
	if len(cfg.Admins.Keys) > 0 {
		return nil
	}
	return failf(exitFailed, "a new cluster gets some with byzd genesis new --admin KEY",
		"the genesis names no administrators, so nobody can change the members")
}

// openChange reads the change that a command adds to, or begins one.
func openChange(c *cli.Context) (*message.Config, *message.Reconfiguration, error) {
	cfg, err := today(c)
	if err != nil {
		return nil, nil, err
	}
	if err := haveAdmins(cfg); err != nil {
		return nil, nil, err
	}
	rc, err := readChange(c.String("change"), cfg)
	return cfg, rc, err
}

// readChange reads the file of a change that can be added to, or begins one if there is none.
func readChange(path string, cfg *message.Config) (*message.Reconfiguration, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the user names it
	if os.IsNotExist(err) {
		return &message.Reconfiguration{Change: message.ChangeOf(cfg)}, nil
	}
	if err != nil {
		return nil, err
	}
	rc, err := changefile.Decode(cfg, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if rc.Change.Epoch != cfg.Epoch {
		return nil, failf(exitFailed, "remove the file, and begin a new change",
			"%s ends epoch %d, and this is epoch %d", path, rc.Change.Epoch, cfg.Epoch)
	}
	if len(rc.Approvals) > 0 {
		return nil, failf(exitFailed, "begin another file with --change FILE",
			"%s is signed already, and another change would need other signatures", path)
	}
	return rc, nil
}

func memberAdd(c *cli.Context) error {
	args, err := arguments(c, 1, -1, "MEMBER.toml...")
	if err != nil {
		return err
	}
	cfg, rc, err := openChange(c)
	if err != nil {
		return err
	}
	for _, path := range args {
		m, scheme, err := genesis.LoadMember(path)
		if err != nil {
			return err
		}
		if scheme != cfg.Scheme.Name() {
			return failf(exitFailed, "all members need one scheme: byzd init --scheme "+
				cfg.Scheme.Name(), "%s: the key is of scheme %s, but the cluster's is %s", path,
				scheme, cfg.Scheme.Name())
		}
		putMember(rc.Change, m)
	}
	return keepChange(c, cfg, rc)
}

// putMember adds a member to a change, or gives one that it has another key.
func putMember(change *message.Change, m genesis.Member) {
	one := message.ChangeMember{Name: m.Name, Node: m.ID, Key: m.Key, Proof: m.Proof}
	at := slices.IndexFunc(change.Members, func(old message.ChangeMember) bool {
		return old.Node == m.ID
	})
	if at < 0 {
		change.Members = append(change.Members, one)
		return
	}
	one.Name = change.Members[at].Name
	change.Members[at] = one
}

func memberRemove(c *cli.Context) error {
	args, err := arguments(c, 1, -1, "NAME...")
	if err != nil {
		return err
	}
	cfg, rc, err := openChange(c)
	if err != nil {
		return err
	}
	for _, name := range args {
		at := slices.IndexFunc(rc.Change.Members, func(m message.ChangeMember) bool {
			return m.Name == name || m.Node.String() == name
		})
		if at < 0 {
			return usagef("byzd member list shows the names", "there is no member %q", name)
		}
		rc.Change.Members = slices.Delete(rc.Change.Members, at, at+1)
	}
	return keepChange(c, cfg, rc)
}

// keepChange checks a change, writes its file, and says what it does.
func keepChange(c *cli.Context, cfg *message.Config, rc *message.Reconfiguration) error {
	next, err := cfg.Next(rc.Change, message.Ref{})
	if err != nil {
		return failf(exitFailed, "", "%w", err)
	}
	path := c.String("change")
	if err := publish(path, changefile.Encode(cfg, rc)); err != nil {
		return err
	}
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(changeView(path, cfg, rc, next))
	}
	_, _ = fmt.Fprintf(c.App.Writer, "%s: %s become %s\n", path, countMembers(cfg.Sizes),
		countMembers(next.Sizes))
	for _, p := range paramChanges(&cfg.Params, &next.Params) {
		_, _ = fmt.Fprintf(c.App.Writer, "%s: %d becomes %d\n", p.Name, p.From, p.To)
	}
	if next.Sizes.F < cfg.Sizes.F {
		_, _ = fmt.Fprintf(c.App.ErrWriter, "warning: the cluster will withstand %d liars instead "+
			"of %d\n", next.Sizes.F, cfg.Sizes.F)
	}
	_, err = fmt.Fprintf(c.App.ErrWriter, "\n%d of the %d administrators sign it, one after the "+
		"other:\n  byzd member approve %s --key KEYFILE\n", cfg.Admins.Threshold,
		len(cfg.Admins.Keys), path)
	return err
}

func countMembers(s quorum.Sizes) string {
	return fmt.Sprintf("%d members (%d liars withstood)", s.N, s.F)
}

// changeJSON is a change for programs.
type changeJSON struct {
	File      string   `json:"file"`
	Epoch     uint64   `json:"epoch"`
	Digest    string   `json:"digest"`
	Members   []string `json:"members"`
	Joins     []string `json:"joins"`
	Leaves    []string `json:"leaves"`
	Approvals int      `json:"approvals"`
	Threshold int      `json:"threshold"`
	F         int      `json:"f"`

	Params []paramChange `json:"params"` // where it is known what they were
}

func changeView(
	path string, cfg *message.Config, rc *message.Reconfiguration, next *message.Config,
) changeJSON {
	v := changeJSON{
		File: path, Epoch: rc.Change.Epoch, Digest: rc.Change.Digest().String(),
		Members: []string{}, Joins: []string{}, Leaves: []string{},
		Approvals: len(rc.Approvals), Threshold: cfg.Admins.Threshold,
		Params: []paramChange{},
	}
	for _, m := range rc.Change.Members {
		v.Members = append(v.Members, m.Name)
	}
	for _, i := range cfg.Joins(rc.Change) {
		v.Joins = append(v.Joins, rc.Change.Members[i].Name)
	}
	for _, i := range cfg.Leaves(rc.Change) {
		v.Leaves = append(v.Leaves, cfg.Members[i].Name)
	}
	if next != nil {
		v.F, v.Params = next.Sizes.F, paramChanges(&cfg.Params, &next.Params)
	}
	return v
}

func memberProof(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "--home DIR [--out FILE]"); err != nil {
		return err
	}
	data, err := callOperator(c, http.MethodGet, "/epochs", nil)
	if err != nil {
		return err
	}
	if c.String("out") == "-" {
		_, err = c.App.Writer.Write(data)
		return err
	}
	if err := publish(c.String("out"), data); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s: %d bytes; byzd member verify %s needs the genesis and "+
		"nothing else\n", c.String("out"), len(data), c.String("out"))
	return err
}

func memberVerify(c *cli.Context) error {
	args, err := arguments(c, 1, 1, "FILE")
	if err != nil {
		return err
	}
	_, cfg, err := genesisOf(c)
	if err != nil {
		return err
	}
	data, err := readAll(args[0])
	if err != nil {
		return err
	}
	chain, err := message.DecodeEpochs(cfg, data)
	if err == nil {
		cfg, err = message.FollowEpochs(cfg, chain)
	}
	if err != nil {
		return failf(
			exitBroken, "get it from another member", "%s proves nothing: %w", args[0], err)
	}
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(verifiedView(cfg))
	}
	_, _ = fmt.Fprintf(c.App.Writer, "epoch %d, since batch %d: %s\n", cfg.Epoch, cfg.Base.Seq,
		countMembers(cfg.Sizes))
	for i := range cfg.Members {
		m := &cfg.Members[i]
		_, _ = fmt.Fprintf(c.App.Writer, "%d  %s  %s\n", i, m.Name, m.Node)
	}
	return nil
}

func verifiedView(cfg *message.Config) operator.Epoch {
	e := operator.Epoch{
		Epoch: cfg.Epoch, Base: cfg.Base.Seq, Config: cfg.Digest().String(), Liars: cfg.Sizes.F,
		Admins: len(cfg.Admins.Keys), Threshold: cfg.Admins.Threshold,
	}
	for i := range cfg.Members {
		m := &cfg.Members[i]
		e.Members = append(e.Members, operator.EpochMember{
			Name: m.Name, ID: m.Node.String(), Key: m.Key.Bytes(),
		})
	}
	return e
}

func readAll(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, answerBytesMax))
	}
	return os.ReadFile(path) //nolint:gosec // the user names it
}

// publish writes a file that everybody may read.
func publish(path string, data []byte) error {
	return os.WriteFile(path, data, 0o644) //nolint:gosec // it is public, and the user names it
}
