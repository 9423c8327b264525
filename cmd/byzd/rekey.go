package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/crypto"
	"byzd/daemon/config"
	"byzd/daemon/genesis"
	"byzd/daemon/operator"
	"byzd/pbft/message"
)

func memberRekey(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
		return err
	}
	home := config.Home(c.String(flagHome))
	if home == "" {
		return usagef("byzd member rekey --home DIR", "no home is named")
	}
	if _, err := nextMember(home, false); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.App.Writer, "%s: hand it in with byzd member add, and restart the "+
		"node: it signs with the new key as soon as the members have agreed on it, and removes "+
		"the old one\n", home.NextMember())
	return err
}

// nextMember makes the next signing key of the node in a home, with its public half beside it; or
// reads it, where there may be one already.
func nextMember(home config.Home, again bool) (m genesis.Member, err error) {
	network, _, err := config.ReadKeys(home)
	if err != nil {
		return m, err
	}
	g, err := genesis.Load(home.Genesis())
	if err != nil {
		return m, err
	}
	s, err := crypto.SchemeByName(g.Scheme)
	if err != nil {
		return m, err
	}
	name := filepath.Base(filepath.Clean(string(home)))
	if old, _, err := genesis.LoadMember(home.Member()); err == nil {
		name = old.Name
	}
	for _, m := range g.Members {
		if m.ID == network.ID() {
			name = m.Name
		}
	}
	var seed [crypto.SeedSize]byte
	if again {
		seed, err = crypto.ReadSeed(home.NextKey())
	}
	if !again || errors.Is(err, fs.ErrNotExist) {
		seed, err = seedOf(home.NextKey(), false)
	}
	if err != nil {
		return m, err
	}
	signer, err := s.NewSigner(seed)
	if err != nil {
		return m, err
	}
	m = genesis.NewMember(name, network, signer)
	return m, publish(home.NextMember(), genesis.EncodeMember(g.Scheme, m))
}

// rekeyer replaces signing keys by reconfiguration, while nodes begin anew.
type rekeyer struct {
	genesis *message.Config
	admins  []crypto.Signer  // those who approve at once; none if they do it later
	made    []genesis.Member // what they are to approve then
}

// newRekeyer reads the administrators' keys, and refuses before anything is done if they cannot
// approve a change.
func newRekeyer(c *cli.Context, home config.Home) (*rekeyer, error) {
	g, err := genesis.Load(home.Genesis())
	if err != nil {
		return nil, err
	}
	cfg, err := g.Config()
	if err != nil {
		return nil, err
	}
	k := &rekeyer{genesis: cfg}
	if err := haveAdmins(cfg); err != nil {
		return nil, err
	}
	paths := c.StringSlice("admin-key")
	if len(paths) == 0 {
		return k, nil
	}
	test := &message.Reconfiguration{Change: message.ChangeOf(cfg)}
	for _, path := range paths {
		signer, err := adminOf(cfg, path)
		if err != nil {
			return nil, err
		}
		if !test.Approve(cfg, signer) {
			return nil, notAdmin(path)
		}
		k.admins = append(k.admins, signer)
	}
	if have, need := len(test.Approvals), cfg.Admins.Threshold; have < need {
		return nil, usagef("or none of them: then a change is written that they can approve later",
			"%d administrators must approve, and --admin-key names the keys of %d", need, have)
	}
	return k, nil
}

// done says what became of a node's key.
func (k *rekeyer) done() string {
	switch {
	case k == nil:
		return ""
	case len(k.admins) == 0:
		return "; it has made its next signing key"
	default:
		return "; it signs with a new key"
	}
}

// replace has the members agree on the next key of a running node that has begun anew with it, and
// waits until the one before is gone.
func (k *rekeyer) replace(ctx context.Context, home config.Home, m genesis.Member) error {
	var last error
	for {
		done, err := k.attempt(ctx, home, m)
		if done {
			return nil
		}
		if err != nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if last == nil {
				last = errors.New("the change is announced, and not made yet")
			}
			hint := "byzd member list --home " + string(home) +
				" shows who is not ready; the same command goes on from here"
			return failf(exitNoProgress, hint, "the key of %s is not replaced: %w", home, last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// attempt looks whether the key has taken its place, and hands in the change if nobody has.
func (k *rekeyer) attempt(ctx context.Context, home config.Home, m genesis.Member) (bool, error) {
	now, err := membersOf(ctx, k.genesis, home)
	if err != nil {
		return false, err
	}
	i := now.Member(m.ID)
	if i < 0 {
		return false, fmt.Errorf("%s is no member in epoch %d", m.Name, now.Epoch)
	}
	if bytes.Equal(now.Members[i].Key.Bytes(), m.Key) {
		_, err := crypto.ReadSeed(home.NextKey())
		return errors.Is(err, fs.ErrNotExist), nil // the node itself removes it
	}
	rc := &message.Reconfiguration{Change: message.ChangeOf(now)}
	putMember(rc.Change, m)
	for _, signer := range k.admins {
		rc.Approve(now, signer)
	}
	data, err := operatorCall(ctx, home, http.MethodGet, "/epoch", nil)
	if err != nil {
		return false, err
	}
	var e operator.Epoch
	if err := unmarshal(data, &e); err != nil {
		return false, err
	}
	if e.Epoch == now.Epoch && e.Pending != nil && names(e.Pending.Members, m) {
		return false, nil // it is made when this node is ready
	}
	_, err = operatorCall(ctx, home, http.MethodPost, "/change", message.EncodeReconfiguration(rc))
	return false, err
}

// names reports whether a change that is announced has a node's next key.
func names(members []operator.EpochMember, m genesis.Member) bool {
	for i := range members {
		if members[i].ID == m.ID.String() {
			return bytes.Equal(members[i].Key, m.Key)
		}
	}
	return false
}

// finish writes the change that the administrators are to approve, if they have not.
func (k *rekeyer) finish(c *cli.Context, home config.Home) error {
	if len(k.made) == 0 {
		return nil
	}
	now, err := membersOf(c.Context, k.genesis, home)
	if err != nil {
		return err
	}
	rc, err := readChange(c.String("change"), now)
	if err != nil {
		return err
	}
	for _, m := range k.made {
		putMember(rc.Change, m)
	}
	return keepChange(c, now, rc)
}

// membersOf asks the node in a home who the members are, and believes what it proves.
func membersOf(ctx context.Context, g *message.Config, home config.Home) (*message.Config, error) {
	data, err := operatorCall(ctx, home, http.MethodGet, "/epochs", nil)
	if err != nil {
		return nil, err
	}
	return followed(g, data)
}
