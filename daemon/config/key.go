package config

import (
	"strconv"
	"strings"
)

// kind is the type that a key has in byzd.toml. Elsewhere everything is text.
type kind int

const (
	text  kind = iota
	texts      // a list; one text with commas in the environment, a flag given several times
	size       // bytes: a number, or a text with a unit
)

// key is one setting.
type key struct {
	name     string
	kind     kind
	standard string // the default
	about    string // one line for people
	legal    string // what the value must be
	set      func(c *Config, values []string) error
	show     func(c *Config) string
}

// keys lists all settings. The ports are fixed, so that a firewall can know them; 2379 is etcd's,
// so that its clients find the API where they look for it.
func keys() []key {
	return []key{
		one("listen", "0.0.0.0:7945", "where the other members reach this node, TCP",
			legalListen, checkListen, func(c *Config) *string { return &c.Listen }),
		one("gossip", "0.0.0.0:7946", "where they reach its gossip, UDP and TCP",
			legalListen, checkListen, func(c *Config) *string { return &c.Gossip }),
		one("advertise", "",
			"the host that they are told, if it is not one of this machine's addresses",
			legalAdvertise, checkAdvertise, func(c *Config) *string { return &c.Advertise }),
		{
			name: "join", kind: texts,
			about: "gossip addresses of other members; one that answers suffices",
			legal: "HOST:PORT of running members' gossip, at most " + strconv.Itoa(joinMax),
			set: func(c *Config, values []string) error {
				c.Join = values
				return checkJoin(values)
			},
			show: func(c *Config) string { return strings.Join(c.Join, ",") },
		},
		one("client", "127.0.0.1:2379", "the client API; whoever reaches it can read and write",
			legalListen, checkListen, func(c *Config) *string { return &c.Client }),
		one("operator", "127.0.0.1:7947", "status, metrics and control over HTTP",
			legalOperator, checkOperator, func(c *Config) *string { return &c.Operator }),
		{
			name: "disk-quota", kind: size, standard: "0",
			about: "bytes of data at which the node stops voting; 0 = when the disk is full",
			legal: legalSize,
			set: func(c *Config, values []string) (err error) {
				c.DiskQuota, err = parseSize(values[0])
				return err
			},
			show: func(c *Config) string { return strconv.FormatInt(c.DiskQuota, 10) },
		},
		{
			name: "snapshot-every", standard: "30s",
			about: "the time between two snapshots of the state",
			legal: legalSnapshotEvery,
			set: func(c *Config, values []string) (err error) {
				c.SnapshotEvery, err = parseSnapshotEvery(values[0])
				return err
			},
			show: func(c *Config) string { return c.SnapshotEvery.String() },
		},
		{
			name: "keep-batches", kind: size, standard: "8192",
			about: "decided batches kept in the journal for members that are behind",
			legal: legalSize,
			set: func(c *Config, values []string) error {
				n, err := parseSize(values[0])
				c.KeepBatches = uint64(n) //nolint:gosec // parseSize refuses negative numbers
				return err
			},
			show: func(c *Config) string { return strconv.FormatUint(c.KeepBatches, 10) },
		},
		{
			name: "keep-bytes", kind: size, standard: "268435456",
			about: "bytes of the journal above which fewer batches are kept",
			legal: legalSize,
			set: func(c *Config, values []string) (err error) {
				c.KeepBytes, err = parseSize(values[0])
				return err
			},
			show: func(c *Config) string { return strconv.FormatInt(c.KeepBytes, 10) },
		},
		choice("log-level", "how much is logged", "info",
			func(c *Config) *string { return &c.LogLevel },
			"debug", "info", "warn", "error"),
		choice("log-format", "how it is logged", "text",
			func(c *Config) *string { return &c.LogFormat },
			"text", "json"),
	}
}

// one is a key that holds a single text.
func one(
	name, standard, about, legal string, check func(string) error, field func(*Config) *string,
) key {
	return key{
		name: name, standard: standard, about: about, legal: legal,
		set: func(c *Config, values []string) error {
			*field(c) = values[0]
			return check(values[0])
		},
		show: func(c *Config) string { return *field(c) },
	}
}

// choice is a key that holds one of a few words.
func choice(name, about, standard string, field func(*Config) *string, words ...string) key {
	legal := strings.Join(words, ", ")
	check := func(value string) error { return checkChoice(value, words) }
	return one(name, standard, about+": "+legal, "one of "+legal, check, field)
}

// find returns the key of a name.
func find(name string) (key, bool) {
	for _, k := range keys() {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}

// variable is the name of a key in the environment.
func (k key) variable() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.name, "-", "_"))
}
