package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"byzd/crypto"
	"byzd/daemon/api/byzdpb"
	"byzd/daemon/genesis"
)

// stragglers is how long is waited for the other endpoints after the first has told the genesis.
const stragglers = time.Second

// told is what one endpoint says.
type told struct {
	endpoint string
	genesis  *genesis.Genesis
	err      error
}

// pinPath is where the genesis is pinned.
func pinPath(keyPath string) string { return keyPath + ".genesis.toml" }

// trust returns the genesis to believe in.
func trust(ctx context.Context, o *Options) (*genesis.Genesis, error) {
	if o.Genesis != nil {
		return o.Genesis, nil
	}
	var pinned *genesis.Genesis
	if o.KeyPath != "" {
		var err error
		pinned, err = genesis.Load(pinPath(o.KeyPath))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the genesis that was pinned on first use: %w", err)
		}
	}
	answers := askGenesis(ctx, o.Endpoints)
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, fmt.Errorf("ask the endpoints for the genesis: %w", ctx.Err())
	}
	if pinned != nil {
		return pinned, comparePinned(pinPath(o.KeyPath), pinned, answers)
	}
	agreed, err := agree(answers)
	if err != nil {
		return nil, err
	}
	if o.KeyPath != "" {
		if err := writeDurably(pinPath(o.KeyPath), agreed.Encode()); err != nil {
			return nil, err
		}
	}
	return agreed, nil
}

// comparePinned refuses endpoints that all belong to another cluster. If some do not answer or lie,
// the pinned genesis finds the others.
func comparePinned(path string, pinned *genesis.Genesis, answers []told) error {
	var other crypto.Digest
	for _, a := range answers {
		if a.err != nil {
			continue
		}
		if other = a.genesis.ClusterID(); other == pinned.ClusterID() {
			return nil
		}
	}
	if other.IsZero() {
		return nil
	}
	return changedError(path, pinned.ClusterID(), other)
}

// agree returns the genesis that all endpoints told that told one.
func agree(answers []told) (*genesis.Genesis, error) {
	var first *told
	var failures []error
	for i := range answers {
		a := &answers[i]
		switch {
		case a.err != nil:
			failures = append(failures, fmt.Errorf("%s: %s", a.endpoint, brief(a.err)))
		case first == nil:
			first = a
		case a.genesis.ClusterID() != first.genesis.ClusterID():
			return nil, &adviceError{
				fmt.Errorf("%w: %s says cluster %s, %s says %s", ErrGenesisDiffers,
					first.endpoint, first.genesis.ClusterID().Short(),
					a.endpoint, a.genesis.ClusterID().Short()),
				"get the genesis from somebody you trust and give it with --genesis",
			}
		}
	}
	if first == nil {
		return nil, &adviceError{
			fmt.Errorf("%w: %w", ErrUnreachable, errors.Join(failures...)),
			"check --endpoints and that the nodes run",
		}
	}
	return first.genesis, nil
}

// askGenesis asks all endpoints, and waits for all, but not much longer than for the first.
func askGenesis(ctx context.Context, endpoints []string) []told {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan told, len(endpoints))
	for _, endpoint := range endpoints {
		go func() { answers <- askOne(ctx, endpoint) }()
	}
	var patience *time.Timer
	out := make([]told, 0, len(endpoints))
	for range endpoints {
		a := <-answers
		out = append(out, a)
		if a.err == nil && patience == nil {
			patience = time.AfterFunc(stragglers, cancel) // The rest answers with an error, soon.
		}
	}
	if patience != nil {
		patience.Stop()
	}
	return out
}

func askOne(ctx context.Context, endpoint string) told {
	conn, err := Dial(endpoint)
	if err != nil {
		return told{endpoint, nil, err}
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	got, err := byzdpb.NewByzdClient(conn).Genesis(ctx, &byzdpb.GenesisRequest{})
	if err != nil {
		return told{endpoint, nil, err}
	}
	g, err := genesis.Parse(got.GetGenesis())
	if err == nil && len(g.Members) == 0 {
		err = genesis.ErrNoMembers
	}
	return told{endpoint, g, err}
}

// LoadSeed reads the seed of a client's key, or makes it on first use, readable by its owner only.
func LoadSeed(path string) ([crypto.SeedSize]byte, error) {
	seed, err := crypto.ReadSeed(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(path); err != nil {
			return seed, fmt.Errorf("make the client's key: %w", err)
		}
		seed, err = crypto.ReadSeed(path)
	}
	if err == nil {
		return seed, nil
	}
	err = fmt.Errorf("the client's key: %w", err)
	switch {
	case errors.Is(err, crypto.ErrSeedPermissions):
		err = &adviceError{err, "if nobody else can have read it: chmod 600 " + path +
			"; otherwise remove it, and a new key is made on first use"}
	case errors.Is(err, crypto.ErrSeedFormat):
		err = &adviceError{err, "restore the file from a copy, or remove it, and a new key is " +
			"made on first use"}
	}
	return seed, err
}

// makeKey puts a whole key in its place, unless another process has done so.
func makeKey(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	seed, err := crypto.NewSeed()
	if err != nil {
		return err
	}
	temp := path + "." + rand.Text()
	err = crypto.WriteSeed(temp, seed)
	if err != nil {
		return err
	}
	err = os.Link(temp, path)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(temp))
}
