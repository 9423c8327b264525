package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"byzd/pbft/message"
)

func versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print what this binary is",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0, ""); err != nil {
				return err
			}
			v := readVersion()
			if c.Bool(flagJSON) {
				return json.NewEncoder(c.App.Writer).Encode(v)
			}
			_, err := fmt.Fprintf(c.App.Writer, "byzd %s (wire %d, %s)\n", v.Version, v.Wire, v.Go)
			return err
		},
	}
}

type versionInfo struct {
	Version string `json:"version"`
	Wire    int    `json:"wire"`
	Go      string `json:"go"`
}

// readVersion tells the module's version, or the commit that the binary was built from.
func readVersion() versionInfo {
	v := versionInfo{Version: "devel", Wire: message.Version, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	return v
}
