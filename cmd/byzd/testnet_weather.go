package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"byzd/testnet"
)

func testnetWeatherCommand() *cli.Command {
	return &cli.Command{
		Name: "weather", Usage: "let links lose, delay, double and reorder what is sent",
		Description: "Frames and gossip suffer, clients reach every node as before. It " +
			"replaces the weather made before; byzd testnet heal makes it good again. No root is " +
			"needed: the node that sends keeps back what is to be late or lost.",
		Flags: []cli.Flag{
			&cli.Float64Flag{Name: "loss", Usage: "the `PART` that does not arrive, 0 to 1"},
			&cli.Float64Flag{
				Name: "duplicate", Usage: "the `PART` of the frames that arrives twice, 0 to 1",
			},
			&cli.DurationFlag{Name: "delay", Usage: "how long everything takes"},
			&cli.DurationFlag{
				Name: "jitter", Usage: "up to so much more or less: one overtakes another",
			},
			&cli.StringSliceFlag{
				Name: "link", DefaultText: "all",
				Usage: "`FROM>TO`: only this direction of a link; may be repeated",
			},
		},
		Action: func(c *cli.Context) error {
			usage := "--home DIR [--loss PART] [--delay TIME] [--link FROM>TO]..."
			if _, err := arguments(c, 0, 0, usage); err != nil {
				return err
			}
			net, err := openTestnet(c)
			if err != nil {
				return err
			}
			st, err := net.State()
			if err != nil {
				return err
			}
			var links []testnet.Link
			for _, text := range c.StringSlice("link") {
				link, err := testnet.ParseLink(len(st.Nodes), text)
				if err != nil {
					return testnetError(err)
				}
				links = append(links, link)
			}
			w := testnet.Weather{
				Loss: c.Float64("loss"), Duplicate: c.Float64("duplicate"),
				DelayMS:  c.Duration("delay").Milliseconds(),
				JitterMS: c.Duration("jitter").Milliseconds(),
			}
			if err := net.SetWeather(c.Context, w, links...); err != nil {
				return testnetError(err)
			}
			return showWeather(c, net)
		},
	}
}

// showWeather says which links are bad.
func showWeather(c *cli.Context, net *testnet.Network) error {
	st, err := net.State()
	if err != nil {
		return err
	}
	type weather struct {
		Node    int               `json:"node"`
		Weather []testnet.Weather `json:"weather"`
	}
	list := make([]weather, len(st.Nodes))
	for i := range st.Nodes {
		list[i] = weather{i, append([]testnet.Weather{}, st.Nodes[i].Weather...)}
	}
	if c.Bool(flagJSON) {
		return printJSON(c, map[string]any{"nodes": list})
	}
	for _, n := range list {
		for _, w := range n.Weather {
			_, err := fmt.Fprintf(c.App.Writer, "%d>%d: %.0f %% lost, %.0f %% twice, %d ± %d ms\n",
				n.Node, w.To, 100*w.Loss, 100*w.Duplicate, w.DelayMS, w.JitterMS)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
