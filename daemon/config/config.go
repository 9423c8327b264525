package config

import "time"

// Config is the settings of one node. Addresses are host:port; port 0 is the kernel's choice.
type Config struct {
	Listen    string   // where the other members reach the transport, TCP
	Gossip    string   // where they reach SWIM, UDP and TCP
	Advertise string   // the host, or host:port for gossip, that they are told; empty: ours
	Join      []string // contacts: gossip addresses of other members, any one suffices
	Client    string   // the client API
	Operator  string   // status and metrics over HTTP, on loopback
	DiskQuota int64    // bytes that the node's data may take before it stops voting; 0: no limit
	// What stays of the past: see loop.Retention.
	SnapshotEvery time.Duration
	KeepBatches   uint64
	KeepBytes     int64
	LogLevel      string // debug, info, warn or error
	LogFormat     string // text or json

	origins map[string]string // by key
}

// Entry is one setting with the place that decided it: "default", "byzd.toml:12", "BYZD_LISTEN" or
// "--listen".
type Entry struct {
	Key    string
	Value  string
	Origin string
}

// Origins returns all settings in a fixed order.
func (c *Config) Origins() []Entry {
	var entries []Entry
	for _, k := range keys() {
		entries = append(entries, Entry{Key: k.name, Value: k.show(c), Origin: c.origins[k.name]})
	}
	return entries
}

// Keys returns the names of all settings.
func Keys() []string {
	var names []string
	for _, k := range keys() {
		names = append(names, k.name)
	}
	return names
}

// Setting is what people are told about a key.
type Setting struct {
	Key     string
	Default string
	About   string
	List    bool // may be given several times
}

// Settings describes all keys.
func Settings() []Setting {
	var all []Setting
	for _, k := range keys() {
		s := Setting{Key: k.name, About: k.about, List: k.kind == texts}
		if !s.List {
			s.Default = k.standard
		}
		all = append(all, s)
	}
	return all
}
