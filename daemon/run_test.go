package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"byzd/crypto"
	"byzd/daemon"
	"byzd/daemon/disk"
	"byzd/daemon/promises"
	"byzd/pbft/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// cluster is a set of nodes in this process, with everything real but the processes.
type cluster struct {
	t       testing.TB
	dir     string
	config  *message.Config
	seeds   [][crypto.SeedSize]byte
	nodes   []*running
	contact string
}

type running struct {
	where  daemon.Addresses
	cancel context.CancelFunc
	done   chan error
}

const patience = 100 * time.Second

func newCluster(t testing.TB, n int, scheme string) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir()}
	s, err := crypto.SchemeByName(scheme)
	if err != nil {
		t.Fatal(err)
	}
	members := make([]message.Member, n)
	for i := range n {
		seed := crypto.DeriveSeed([32]byte{byte(i)}, t.Name())
		signer, err := s.NewSigner(seed)
		if err != nil {
			t.Fatal(err)
		}
		members[i] = message.Member{
			Name: fmt.Sprintf("node-%d", i), Node: crypto.NewNetworkKey(seed).ID(), Key: signer.Public(),
		}
		c.seeds = append(c.seeds, seed)
	}
	params := message.DefaultParams()
	params.Testnet = true
	c.config, err = message.NewConfig(crypto.Hash("test", []byte(t.Name())), s, members, params)
	if err != nil {
		t.Fatal(err)
	}
	c.nodes = make([]*running, n)
	return c
}

// start starts a node and waits until it listens.
func (c *cluster) start(i int, change ...func(*daemon.Options)) *running {
	c.t.Helper()
	log := quiet()
	if testing.Verbose() {
		log.SetOutput(c.t.Output())
		log.SetLevel(logrus.DebugLevel)
	}
	home := filepath.Join(c.dir, fmt.Sprint(i))
	if err := os.MkdirAll(home, 0o700); err != nil {
		c.t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, "data")); errors.Is(err, fs.ErrNotExist) {
		markNew(c.t, filepath.Join(home, "data"))
	}
	ctx, cancel := context.WithCancel(context.Background())
	started := make(chan daemon.Addresses, 1)
	o := daemon.Options{
		Home: home, Data: filepath.Join(home, "data"), Proofs: filepath.Join(home, "evidence"),
		Cluster: c.config, Genesis: []byte("test"), NetworkKey: crypto.NewNetworkKey(c.seeds[i]),
		SigningSeed: c.seeds[i], Listen: "127.0.0.1:0", Gossip: "127.0.0.1:0",
		Client: "127.0.0.1:0", Operator: "127.0.0.1:0", Log: log.WithField("node", i),
		Started: func(a daemon.Addresses) error { started <- a; return nil },
	}
	if c.contact != "" {
		o.Join = []string{c.contact}
	}
	for _, f := range change {
		f(&o)
	}
	r := &running{cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- daemon.Run(ctx, o) }()
	select {
	case r.where = <-started:
	case err := <-r.done:
		cancel()
		c.t.Fatalf("node %d: %v", i, err)
	case <-time.After(patience):
		c.t.Fatalf("node %d does not start", i)
	}
	if c.contact == "" {
		c.contact = r.where.Gossip
	}
	c.nodes[i] = r
	return r
}

// markNew makes a data directory as byzd init does.
func markNew(t testing.TB, dir string) {
	t.Helper()
	d, err := disk.OS(dir)
	if err == nil {
		err = promises.MarkNew(d)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// stop stops a node as Ctrl-C does.
func (c *cluster) stop(i int) {
	c.t.Helper()
	r := c.nodes[i]
	r.cancel()
	select {
	case err := <-r.done:
		if err != nil {
			c.t.Errorf("node %d: %v", i, err)
		}
	case <-time.After(patience):
		c.t.Fatalf("node %d does not stop", i)
	}
	c.nodes[i] = nil
}

func (c *cluster) stopAll() {
	var wg sync.WaitGroup
	for i, r := range c.nodes {
		if r != nil {
			wg.Go(func() { c.stop(i) })
		}
	}
	wg.Wait()
}

// client returns an unchanged etcd client of one node.
func (c *cluster) client(i int) *clientv3.Client {
	c.t.Helper()
	cli, err := clientv3.New(clientv3.Config{
		Endpoints: []string{c.nodes[i].where.Client}, DialTimeout: patience,
		DialOptions: []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())},
		Logger:      nil,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return cli
}

// Nodes that know the genesis and one contact address find each other, agree on what an unchanged
// etcd client writes, and keep it over a restart of all.
func TestRun(t *testing.T) {
	c := newCluster(t, 4, crypto.SchemeEd25519)
	for i := range 4 {
		c.start(i)
	}
	defer c.stopAll()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cli := c.client(1)
	began := time.Now()
	if _, err := cli.Put(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	t.Logf("first put after %v", time.Since(began))
	began = time.Now()
	for k := range 50 {
		if _, err := cli.Put(ctx, fmt.Sprint(k), "v"); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("put takes %v", time.Since(began)/50)
	if err := cli.Close(); err != nil {
		t.Error(err)
	}
	c.stopAll()
	c.contact = ""
	for i := range 4 {
		c.start(i)
	}
	cli = c.client(2)
	r, err := cli.Get(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Kvs) != 1 || string(r.Kvs[0].Value) != "v" {
		t.Errorf("after the restart of all: %v", r.Kvs)
	}
	if err := cli.Close(); err != nil {
		t.Error(err)
	}
}
