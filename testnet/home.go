package testnet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"byzd/daemon/config"
	"byzd/daemon/disk"
)

// lockName is what [disk.Lock] leaves in a directory.
const lockName = "LOCK"

// tempHome makes a directory for a testnet that was given none. It stays when the testnet ends: its
// logs are there.
func tempHome() (string, error) {
	dir, err := os.MkdirTemp("", "byzd-testnet-")
	if err != nil {
		return "", fmt.Errorf("make a home for the testnet: %w", err)
	}
	return dir, nil
}

// plan looks at the home without changing it, and refuses what cannot be done there. It returns the
// stopped testnet that is to be started again, or nil for a new one. Two Ups may look at the same
// time; so the one that gets the lock looks again.
func (o *Options) plan() (*State, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	old, err := lookAt(o.Home, o.Force)
	if err != nil {
		return nil, err
	}
	if old == nil {
		n := o.Nodes
		if n == 0 {
			n = DefaultNodes
		}
		return nil, o.checkFor(n, nil)
	}
	if err := o.fits(old); err != nil {
		return nil, err
	}
	return old, o.checkFor(len(old.Nodes), old.traitors())
}

// lookAt tells an empty home (nil) from a stopped testnet, and refuses all others.
func lookAt(home string, force bool) (*State, error) {
	entries, err := os.ReadDir(home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the testnet's home: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Contains(names, stateName) {
		names = slices.DeleteFunc(names, func(name string) bool {
			return name == lockName || name == logName
		})
		if len(names) == 0 {
			return nil, nil
		}
		return nil, failf("name a new or an empty directory with --home; nothing is ever wiped "+
			"that is not a testnet", "%s is not empty, and no testnet: it holds %s", home, names[0])
	}
	old, err := ReadState(home)
	switch {
	case err == nil && runs(old):
		return nil, failf("stop it with: byzd testnet down --home "+home,
			"a testnet runs in %s, under process %d", home, old.Supervisor.PID)
	case err == nil && len(leftovers(old)) > 0:
		return nil, failf("end them with: byzd testnet down --home "+home,
			"nodes of an earlier testnet still run in %s, without a supervisor", home)
	case force:
		return nil, nil // what cannot be read can still be wiped
	case err != nil:
		return nil, err
	}
	if missing := incomplete(home, old); missing != "" {
		return nil, failf("put it back from a copy, or make a new testnet in its place, which "+
			"wipes all that this one holds, with: byzd testnet up --force --home "+home,
			"the testnet in %s is not complete: %s is missing", home, missing)
	}
	return old, nil
}

// runs reports whether the testnet's supervisor runs.
func runs(s *State) bool { return same(s.Supervisor.PID, s.Supervisor.Started) }

// leftovers returns the nodes that run, whoever started them.
func leftovers(s *State) []int {
	var list []int
	for i := range s.Nodes {
		if same(s.Nodes[i].PID, s.Nodes[i].Started) {
			list = append(list, i)
		}
	}
	return list
}

// incomplete names a file that every testnet has and this one does not, which happens when the
// making of it was interrupted.
func incomplete(home string, s *State) string {
	paths := []string{config.Home(home).Genesis()}
	for i := range s.Nodes {
		paths = append(paths, nodeFiles(&s.Nodes[i])...)
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return path
		}
	}
	return ""
}

// nodeFiles are the home of a node and what cannot be missing from it.
func nodeFiles(n *NodeState) []string {
	h := config.Home(n.Home)
	return []string{n.Home, h.NetworkKey(), h.SigningKey(), h.Genesis()}
}

// fits refuses options that a stopped testnet cannot follow, since its genesis is what it is.
func (o *Options) fits(old *State) error {
	const advice = "leave the flag out, or make a new network with --force or another --home"
	if o.Nodes != 0 && o.Nodes != len(old.Nodes) {
		return usagef(advice, "the stopped testnet in %s has %d nodes, not %d",
			o.Home, len(old.Nodes), o.Nodes)
	}
	if o.Scheme != "" && o.Scheme != old.Scheme {
		return usagef(advice, "the stopped testnet in %s signs with %s, not %s",
			o.Home, old.Scheme, o.Scheme)
	}
	if len(o.Params) > 0 {
		return o.fitsParams(advice)
	}
	return nil
}

// wipe removes what belongs to a testnet from its home, and nothing else. testnet.json goes last:
// if this is interrupted, the next attempt still knows that it may go on.
func wipe(home string) error {
	entries, err := os.ReadDir(home)
	if err != nil {
		return fmt.Errorf("wipe the old testnet: %w", err)
	}
	if !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == stateName }) {
		return nil
	}
	for _, e := range entries {
		if !belongs(e.Name()) || e.Name() == stateName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(home, e.Name())); err != nil {
			return fmt.Errorf("wipe the old testnet: %w", err)
		}
	}
	if err := os.Remove(filepath.Join(home, stateName)); err != nil {
		return fmt.Errorf("wipe the old testnet: %w", err)
	}
	return nil
}

// belongs reports whether a testnet makes files of this name.
func belongs(name string) bool {
	number, node := strings.CutPrefix(name, "node-")
	if node {
		_, err := ParseNode(1<<16, number)
		return err == nil
	}
	return slices.Contains([]string{stateName, "genesis.toml", "client.key", adminName}, name)
}

// open takes the home for this process and returns the door to its files.
func openHome(home string) (d disk.Disk, unlock func() error, err error) {
	if d, err = disk.OS(home); err != nil {
		return nil, nil, err
	}
	if unlock, err = disk.Lock(home); err != nil {
		if errors.Is(err, disk.ErrLocked) {
			err = &Error{
				Kind: Failed, Err: err,
				Advice: "stop the testnet there with: byzd testnet down --home " + home,
			}
		}
		return nil, nil, err
	}
	return d, unlock, nil
}
