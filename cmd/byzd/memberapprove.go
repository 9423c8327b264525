package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"byzd/crypto"
	"byzd/daemon/changefile"
	"byzd/daemon/operator"
	"byzd/pbft/message"
)

func memberApprove(c *cli.Context) error {
	args, err := arguments(c, 1, 1, "FILE --key KEYFILE")
	if err != nil {
		return err
	}
	_, cfg, err := genesisOf(c)
	if err != nil {
		return err
	}
	if c.String("key") == "" {
		return usagef("--key FILE, such as byzd keygen makes", "no key is named")
	}
	signer, err := adminOf(cfg, c.String("key"))
	if err != nil {
		return err
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	rc, err := changefile.Decode(cfg, data)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if !rc.Approve(cfg, signer) {
		return notAdmin(c.String("key"))
	}
	if err := publish(args[0], changefile.Encode(cfg, rc)); err != nil {
		return err
	}
	if c.Bool(flagJSON) {
		return json.NewEncoder(c.App.Writer).Encode(changeView(args[0], cfg, rc, nil))
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s: signed by %d of the %d that must agree; it ends epoch "+
		"%d, and then the members are %s\n", args[0], len(rc.Approvals), cfg.Admins.Threshold,
		rc.Change.Epoch, strings.Join(memberNames(rc.Change), ", "))
	for _, p := range paramChanges(&cfg.Params, &rc.Change.Params) {
		_, err = fmt.Fprintf(c.App.Writer, "%s: %d, in the genesis %d\n", p.Name, p.To, p.From)
	}
	return err
}

// adminOf reads the key of an administrator, or of somebody who says so.
func adminOf(cfg *message.Config, path string) (crypto.Signer, error) {
	seed, err := seedOf(path, true)
	if err != nil {
		return nil, err
	}
	return cfg.Scheme.NewSigner(seed)
}

func notAdmin(path string) error {
	return failf(exitFailed, "byzd genesis show lists who the administrators are",
		"the key in %s is not an administrator's", path)
}

func memberNames(change *message.Change) []string {
	names := make([]string, 0, len(change.Members))
	for _, m := range change.Members {
		names = append(names, m.Name)
	}
	return names
}

func memberSubmit(c *cli.Context) error {
	args, err := arguments(c, 1, 1, "FILE")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	_, cfg, err := genesisOf(c)
	if err != nil {
		return err
	}
	rc, err := changefile.Decode(cfg, data)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	body := message.EncodeReconfiguration(rc)
	if _, err = callOperator(c, http.MethodPost, "/change", body); err != nil {
		return err
	}
	made := false
	for until := time.Now().Add(c.Duration("wait")); !made && time.Now().Before(until); {
		var e operator.Epoch
		if err := askOperator(c, "/epoch", &e); err != nil {
			return err
		}
		if made = e.Epoch > rc.Change.Epoch; !made {
			//nolint:forbidigo // a node tells nobody when its members change
			time.Sleep(100 * time.Millisecond)
		}
	}
	switch {
	case made:
		_, err = fmt.Fprintf(c.App.Writer, "made: this is epoch %d\n", rc.Change.Epoch+1)
	case c.Duration("wait") > 0:
		return failf(exitNoProgress, "byzd member list shows who is not ready",
			"the change is announced, and not made yet")
	default:
		_, err = fmt.Fprintln(c.App.Writer, "announced: it is made as soon as those whom it names "+
			"are ready; byzd member list shows who is")
	}
	return err
}
