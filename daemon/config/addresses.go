package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"byzd/daemon/disk"
)

// Addresses says where a running node listens; the kernel may have chosen the ports. They are
// host:port, except Operator, which is a URL.
type Addresses struct {
	PID      int    `json:"pid"`
	Listen   string `json:"listen"`
	Gossip   string `json:"gossip"`
	Client   string `json:"client"`
	Operator string `json:"operator"`
}

// addressesMax bounds what is read of a file that others may have written.
const addressesMax = 1 << 12

// ErrNotRunning says that no node left its addresses in a home.
var ErrNotRunning = errors.New("no node is running")

// WriteAddresses leaves the addresses for others on this machine, all at once: a reader sees the
// old file or the new one.
func (h Home) WriteAddresses(a Addresses) error {
	d, err := disk.OS(string(h))
	if err != nil {
		return err
	}
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode addresses: %w", err)
	}
	return d.WriteAtomic(addressesName, append(text, '\n'))
}

// ReadAddresses reads what a node wrote. It fails with [ErrNotRunning] if there is nothing; a node
// that was killed leaves its addresses behind.
func (h Home) ReadAddresses() (Addresses, error) {
	var a Addresses
	f, err := os.Open(h.Addresses())
	if errors.Is(err, fs.ErrNotExist) {
		return a, advise("start it: byzd run --home "+string(h), "%w in %s", ErrNotRunning, h)
	}
	if err != nil {
		return a, err
	}
	text, err := io.ReadAll(io.LimitReader(f, addressesMax))
	if err = errors.Join(err, f.Close()); err != nil {
		return a, fmt.Errorf("read %s: %w", h.Addresses(), err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil {
		return Addresses{}, advise("remove it and start the node again", "read %s: %w",
			h.Addresses(), err)
	}
	return a, nil
}

// RemoveAddresses takes the file away when the node ends; it may be gone already.
func (h Home) RemoveAddresses() error {
	if err := os.Remove(h.Addresses()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
