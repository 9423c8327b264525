// Package config is what the operator of one node decides: where its files are ([Home]), and its
// settings ([Config]). What all members must agree on is not here but in the genesis.
//
// Settings come in layers, each above the one before: the defaults, byzd.toml in the home, the
// environment (BYZD_LISTEN for listen), the flags (--listen). No layer switches another off, and a
// value that a higher layer covers is checked all the same. Every value knows where it came from
// ([Config.Origins]). An unknown key, in the file or among the variables that start with BYZD_, is
// an error that suggests the right one, and so is a value that is not legal.
//
//	home := config.Home("/var/lib/byzd")
//	c, err := config.Load(home, os.Environ(), nil)
//	network, signing, err := config.ReadKeys(home)
//
// Errors have a method Hint() string where there is something to advise. Nothing here is locked: a
// [Config] is read by many or changed by one. The lock of a home is disk.Lock's.
package config
