package testnet

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"byzd/daemon/config"
)

// wholeLog returns the settings of a testnet's nodes that differ from those of other nodes: they
// keep their whole logs. A verdict is definite without (testnet/judge/DESIGN.md), and then begins
// with the earliest state in the homes; with them it covers the first operation, and the votes that
// convict liars are never cut.
func wholeLog() map[string]string {
	return map[string]string{"keep-batches": "1000000000", "keep-bytes": "1TiB"}
}

// supervised reports whether the testnet gives each node its own value of a setting.
func supervised(name string) bool {
	return slices.Contains([]string{
		"listen", "gossip", "advertise", "join", "client", "operator", "log-level", "log-format",
	}, name)
}

// writeSettings writes the settings of one node's file, and refuses what the node would not start
// with.
func (o *Options) writeSettings(home string) error {
	settings := wholeLog()
	maps.Copy(settings, o.Settings)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s = %q\n", name, settings[name])
	}
	h := config.Home(home)
	if err := os.WriteFile(h.Config(), []byte(text.String()), 0o600); err != nil {
		return err
	}
	if _, err := config.Load(h, nil, nil); err != nil {
		return usagef("byzd config describes the settings", "--set: %v", err)
	}
	return nil
}
