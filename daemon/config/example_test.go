package config_test

import (
	"fmt"

	"byzd/daemon/config"
)

// A variable stands above the default, and a flag above both.
func ExampleLoad() {
	c, err := config.Load("a-home-without-byzd.toml",
		[]string{"BYZD_LISTEN=10.0.0.1:7945", "BYZD_CLIENT=10.0.0.1:2379"},
		map[string][]string{"client": {"127.0.0.1:2379"}})
	if err != nil {
		panic(err)
	}
	for _, e := range c.Origins() {
		if e.Origin != "default" {
			fmt.Println(e.Key, e.Value, e.Origin)
		}
	}
	// Output:
	// listen 10.0.0.1:7945 BYZD_LISTEN
	// client 127.0.0.1:2379 --client
}
