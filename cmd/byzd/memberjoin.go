package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"byzd/daemon/config"
	"byzd/daemon/genesis"
	"byzd/daemon/operator"
	"byzd/pbft/message"
)

func memberList(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
		return err
	}
	var e operator.Epoch
	if err := askOperator(c, "/epoch", &e); err != nil {
		return err
	}
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(e)
	}
	_, _ = fmt.Fprintf(c.App.Writer, "epoch %d, since batch %d; %d members withstand %d liars\n\n",
		e.Epoch, e.Base, len(e.Members), e.Liars)
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NODE\tNAME\tPEER")
	for i, m := range e.Members {
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\n", i, m.Name, m.ID)
	}
	if p := e.Pending; p != nil {
		_, _ = fmt.Fprintf(w, "\nannounced: %d members that withstand %d liars\n\n",
			len(p.Members), p.Liars)
		_, _ = fmt.Fprintln(w, "NODE\tNAME\tNEW\tREADY")
		for i, m := range p.Members {
			_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", i, m.Name, yesNo(m.New), yesNo(m.Ready))
		}
	}
	return w.Flush()
}

func memberInvite(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "--home DIR [--out FILE]"); err != nil {
		return err
	}
	g, cfg, err := genesisOf(c)
	if err != nil {
		return err
	}
	var members []operator.Member
	if err := askOperator(c, "/members", &members); err != nil {
		return err
	}
	epochs, err := callOperator(c, http.MethodGet, "/epochs", nil)
	if err != nil {
		return err
	}
	inv := config.Invitation{Cluster: cfg.Cluster.String(), Genesis: string(g.Encode())}
	chain, err := message.DecodeEpochs(cfg, epochs)
	if err == nil {
		_, err = message.FollowEpochs(cfg, chain)
	}
	if err != nil {
		return failf(exitBroken, "ask another member", "this node does not prove who the members "+
			"are: %w", err)
	}
	if len(chain) > 0 {
		inv.Epochs = epochs
	}
	for _, m := range members {
		if m.Transport != "" {
			inv.Peers = append(inv.Peers, config.Peer{
				ID: m.ID, Name: m.Name, Transport: m.Transport, Gossip: m.Gossip,
			})
		}
	}
	if len(inv.Peers) == 0 {
		return failf(exitNoProgress, "ask a member that is connected",
			"this node does not know where the members listen")
	}
	if err := inv.Save(c.String("out")); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s: addresses of %d members, and the genesis\n",
		c.String("out"), len(inv.Peers))
	if err == nil {
		_, err = fmt.Fprintf(c.App.ErrWriter, "\nThe newcomer puts it into its home and starts:\n"+
			"  byzd member join %s --home DIR\n  byzd run --home DIR\n", c.String("out"))
	}
	return err
}

func memberJoin(c *cli.Context) error {
	args, err := arguments(c, 1, 1, "INVITATION --home DIR")
	if err != nil {
		return err
	}
	home := config.Home(c.String(flagHome))
	if home == "" {
		return usagef("byzd member join INVITATION --home DIR", "no home is named")
	}
	inv, err := config.ReadInvitation(args[0])
	if err != nil {
		return err
	}
	g, err := genesis.Parse([]byte(inv.Genesis))
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if old, err := genesis.Load(home.Genesis()); err == nil {
		if old.ClusterID() != g.ClusterID() {
			return failf(exitFailed, "use another home, or the invitation of its cluster",
				"%s is of cluster %s, and the invitation of cluster %s", home.Genesis(),
				old.ClusterID().Short(), g.ClusterID().Short())
		}
	} else if _, err := os.Lstat(home.Genesis()); !errors.Is(err, fs.ErrNotExist) {
		return err
	} else if err := g.Save(home.Genesis()); err != nil {
		return err
	}
	cfg, err := g.Config()
	if err != nil {
		return err
	}
	if _, err := proofs(args[0], cfg); err != nil {
		return err
	}
	if err := inv.Save(home.Invitation()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s knows %d members of cluster %s; compare the cluster ID "+
		"with theirs\n", home, len(inv.Peers), g.ClusterID())
	return err
}
