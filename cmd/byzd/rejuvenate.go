package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/daemon/client"
	"byzd/daemon/config"
	"byzd/daemon/operator"
	"byzd/testnet"
)

// turnKey is the key under which the members agree on whose turn it is: one node at a time begins
// anew, whoever asks for it and wherever.
const turnKey = "byzd/rejuvenation"

// turnTime is how long a turn lasts at most; who was killed in its turn does not block the others
// for ever.
const turnTime = 15 * time.Minute

func rejuvenateCommand() *cli.Command {
	return &cli.Command{
		Name:  "rejuvenate",
		Usage: "let a node begin anew in a new process, one node at a time",
		Description: "Proactive recovery: the node ends and starts again, checks all of its " +
			"state against what quorums signed,\nand makes its connections with new keys. Whose " +
			"turn it is is agreed in the log (the key " + turnKey + "):\noperators of different " +
			"machines may call it at the same time, from a timer for instance. A node without " +
			"which\nthe others could not go on refuses.\n\n--home names the home of a running " +
			"node; or, with --rolling, that of a testnet: then each of its nodes has its\nturn." +
			"\n\n--rekey makes a new signing key for the node as well, in its home. With the " +
			"keys of enough administrators\n(--admin-key, once for each) the members agree on it " +
			"at once. Without, a change is written, for\nbyzd member approve and submit. " +
			"From the moment that the members agree on it, it is the\nnode's only key: votes by " +
			"the one before are refused, and the node removes that from its home.",
		Flags: clientFlags(
			&cli.BoolFlag{Name: "rolling", Usage: "all nodes of the testnet, one after another"},
			&cli.BoolFlag{Name: "rekey", Usage: "replace the signing key as well"},
			&cli.StringSliceFlag{
				Name:  "admin-key",
				Usage: "`FILE` of the key of an administrator who approves that; may be repeated",
			},
			&cli.StringFlag{
				Name: "change", Value: "change.byzd",
				Usage: "`FILE` of the change that they approve later; made, or added to",
			},
			&cli.DurationFlag{
				Name: "wait", Value: 2 * time.Minute,
				Usage: "how long to wait for the turn, and for the node to be ready again",
			},
		),
		Action: rejuvenate,
	}
}

func rejuvenate(c *cli.Context) error {
	if _, err := arguments(c, 0, 0, "--home DIR"); err != nil {
		return err
	}
	homes, err := rejuvenated(c)
	if err != nil {
		return err
	}
	if c.Duration("wait") <= 0 {
		return usagef("try --wait 2m", "--wait %v leaves no time", c.Duration("wait"))
	}
	var keys *rekeyer
	if c.Bool("rekey") {
		if keys, err = newRekeyer(c, homes[0]); err != nil {
			return err
		}
	} else if c.IsSet("admin-key") || c.IsSet("change") {
		return usagef("add --rekey", "only new keys need administrators")
	}
	o, err := clientOptions(c)
	if err != nil {
		return err
	}
	to, err := client.Open(c.Context, o)
	if err != nil {
		return clientError(c, err)
	}
	for _, home := range homes {
		began := time.Now()
		if err = rejuvenateOne(c, to, home, keys); err != nil {
			break
		}
		say(c, "%s began anew and is ready, after %v%s", home,
			time.Since(began).Round(time.Millisecond), keys.done())
	}
	if closing := to.Close(); err == nil {
		err = closing
	}
	if err == nil && keys != nil {
		err = keys.finish(c, homes[0])
	}
	return clientError(c, err)
}

// rejuvenated lists the homes of the nodes that are to begin anew.
func rejuvenated(c *cli.Context) ([]config.Home, error) {
	home := c.String(flagHome)
	if home == "" {
		return nil, usagef("byzd rejuvenate --home DIR", "no home is named")
	}
	state, err := testnet.ReadState(home)
	switch {
	case err != nil && c.Bool("rolling"):
		return nil, usagef("without --rolling it is one node", "%s is not a testnet's home", home)
	case errors.Is(err, fs.ErrNotExist):
		return []config.Home{config.Home(home)}, nil
	case err != nil:
		return nil, testnetError(err)
	case !c.Bool("rolling"):
		return nil, usagef("all nodes, one after another: --rolling",
			"%s is the home of a testnet", home)
	}
	homes := make([]config.Home, 0, len(state.Nodes))
	for i := range state.Nodes {
		if !state.Nodes[i].Removed {
			homes = append(homes, config.Home(state.Nodes[i].Home))
		}
	}
	return homes, nil
}

// rejuvenateOne takes the turn, lets a node begin anew, waits until it is ready (and has its next
// key if there is to be one), and gives the turn back.
func rejuvenateOne(c *cli.Context, to *client.Client, home config.Home, keys *rekeyer) error {
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("wait"))
	defer cancel()
	before, err := nodeStatus(ctx, home)
	if err != nil {
		return failf(exitNoProgress, "see whether the node runs, and its log",
			"%s does not answer: %w", home, err)
	}
	turn := []byte(fmt.Sprintf("%s %s %d", before.Name, to.ID(), time.Now().Unix()))
	if err := takeTurn(ctx, c, to, turn); err != nil {
		return err
	}
	err = renew(ctx, home, before, keys)
	// Whatever became of it, the turn is over; an unknown outcome ends with the turn's time.
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	if _, released := to.CompareAndSwap(back, []byte(turnKey), turn, []byte{}); err == nil {
		err = released
	}
	return err
}

// renew does what a turn is for. The new process finds the next key in its home, and has both while
// the members agree on it.
func renew(
	ctx context.Context, home config.Home, before *operator.Status, keys *rekeyer,
) error {
	if keys == nil {
		return beginAnew(ctx, home, before)
	}
	m, err := nextMember(home, true)
	if err != nil {
		return err
	}
	if err := beginAnew(ctx, home, before); err != nil {
		return err
	}
	if len(keys.admins) == 0 {
		keys.made = append(keys.made, m)
		return nil
	}
	return keys.replace(ctx, home, m)
}

// takeTurn waits until it is nobody else's turn.
func takeTurn(ctx context.Context, c *cli.Context, to *client.Client, turn []byte) error {
	told := false
	var expect []byte // no such key
	for {
		r, err := to.CompareAndSwap(ctx, []byte(turnKey), expect, turn)
		if err != nil || r.Succeeded {
			return err
		}
		expect = nil
		if len(r.KVs) > 0 {
			other := r.KVs[0].Value
			if over(other) {
				expect = append([]byte{}, other...)
				continue
			}
			if !told {
				say(c, "it is the turn of %s", strings.SplitN(string(other), " ", 2)[0])
				told = true
			}
		}
		select {
		case <-ctx.Done():
			return failf(exitNoProgress, "give it more time with --wait",
				"it was somebody else's turn for all of %v", c.Duration("wait"))
		case <-time.After(time.Second):
		}
	}
}

// over reports whether a turn was given back, or has lasted too long.
func over(turn []byte) bool {
	if len(turn) == 0 {
		return true
	}
	fields := strings.Fields(string(turn))
	began, err := strconv.ParseInt(fields[len(fields)-1], 10, 64)
	return err != nil || time.Since(time.Unix(began, 0)) > turnTime
}

// beginAnew asks a node to begin anew, and waits until it has and is ready.
func beginAnew(ctx context.Context, home config.Home, before *operator.Status) error {
	asked := time.Now()
	for {
		_, err := operatorCall(ctx, home, http.MethodPut, "/rejuvenation", nil)
		if err == nil {
			break
		}
		// It refuses while the others need it: whoever began anew before may not be back for all.
		select {
		case <-ctx.Done():
			return failf(exitNoProgress, "see byzd status", "%s does not begin anew: %w", home, err)
		case <-time.After(200 * time.Millisecond):
		}
		asked = time.Now()
	}
	reason := "it does not answer"
	for {
		st, err := nodeStatus(ctx, home)
		switch {
		case err != nil:
		case time.Duration(st.UptimeMS)*time.Millisecond > time.Since(asked):
			reason = "it has not ended yet"
		case st.Ready && st.Sequence >= before.Sequence:
			return nil
		default:
			reason = st.Reason
		}
		select {
		case <-ctx.Done():
			return failf(exitNoProgress, "see its log", "%s is not ready again: %s", home, reason)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func nodeStatus(ctx context.Context, home config.Home) (*operator.Status, error) {
	data, err := operatorCall(ctx, home, http.MethodGet, "/status", nil)
	if err != nil {
		return nil, err
	}
	st := &operator.Status{}
	return st, unmarshal(data, st)
}

// argsAgain is the command line of the process that goes on: the same, at the same addresses, also
// where the kernel had chosen them.
func argsAgain(args []string, a config.Addresses) []string {
	where := []struct{ flag, value string }{
		{"--listen", a.Listen},
		{"--gossip", a.Gossip},
		{"--client", a.Client},
		{"--operator", strings.TrimPrefix(a.Operator, "http://")},
	}
	out := slices.Clone(args)
	for _, w := range where {
		for i := 0; i < len(out); i++ {
			switch {
			case out[i] == w.flag && i+1 < len(out):
				out = slices.Delete(out, i, i+2)
				i--
			case strings.HasPrefix(out[i], w.flag+"="):
				out = slices.Delete(out, i, i+1)
				i--
			}
		}
		out = append(out, w.flag, w.value)
	}
	return out
}

// goOn replaces this process after a node asked to begin anew.
func goOn(home config.Home) error {
	a, err := home.ReadAddresses()
	if err != nil {
		return err
	}
	return begin(argsAgain(os.Args, a))
}
