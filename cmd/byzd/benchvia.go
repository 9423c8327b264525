package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"golang.org/x/term"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"byzd/crypto"
	"byzd/daemon/client"
	"byzd/daemon/kv"
	"byzd/testnet/load"
)

// The ways to write.
const (
	viaEtcd   = "etcd"
	viaOrder  = "order"
	viaSigned = "signed"
)

// openWriters makes the clients, each with one of the endpoints as its own. stop is never nil.
func openWriters(
	c *cli.Context, target *benchTarget,
) (writers []load.Writer, stop func() error, err error) {
	var closers []func() error
	stop = func() error { return stopAll(closers) }
	count := c.Int(flagClients)
	if c.String(flagVia) == viaSigned {
		writers, closers, err = openSigned(c, target, count)
		return writers, stop, err
	}
	var shared []load.Writer
	for i := range connections(c, len(target.endpoints)) {
		w, closer, err := openShared(c.String(flagVia), target.endpoints[i%len(target.endpoints)])
		if err != nil {
			return nil, stop, err
		}
		closers = append(closers, closer)
		shared = append(shared, w)
	}
	for i := range count {
		writers = append(writers, shared[i%len(shared)])
	}
	return writers, stop, nil
}

// connections is how many the clients share: for etcd about one for ten clients, as its own
// benchmark is used; for order one for each node.
func connections(c *cli.Context, endpoints int) int {
	if n := c.Int(flagConnections); n > 0 {
		return n
	}
	if c.String(flagVia) == viaOrder {
		return endpoints
	}
	return max(endpoints, min(100, c.Int(flagClients)/10))
}

// openShared makes a writer that many clients may use at once.
func openShared(via, endpoint string) (load.Writer, func() error, error) {
	if via == viaOrder {
		orders, err := client.OpenOrders(endpoint)
		if err != nil {
			return nil, nil, err
		}
		return orderWriter{orders}, orders.Close, nil
	}
	conn, err := client.Dial(endpoint)
	if err != nil {
		return nil, nil, err
	}
	return etcdWriter{pb.NewKVClient(conn)}, conn.Close, nil
}

// openSigned makes clients with keys of their own. They follow from the user's key, so that the
// next bench takes the sessions of this one over instead of using up the members' room for
// sessions.
func openSigned(
	c *cli.Context, target *benchTarget, count int,
) (writers []load.Writer, closers []func() error, err error) {
	o, err := clientOptions(c)
	if err != nil {
		return nil, nil, err
	}
	seed, err := client.LoadSeed(o.KeyPath)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration(flagTimeout))
	defer cancel()
	for i := range count {
		key := crypto.NewNetworkKey(crypto.DeriveSeed(seed, fmt.Sprintf("byzd/bench/%d", i)))
		at := i % len(target.endpoints)
		opened, err := client.Open(ctx, client.Options{
			Endpoints: slices.Concat(target.endpoints[at:], target.endpoints[:at]),
			Genesis:   o.Genesis, Key: &key,
		})
		if err != nil {
			return nil, closers, err
		}
		o.Genesis = opened.Genesis() // what the endpoints agreed on at first
		closers = append(closers, opened.Close)
		writers = append(writers, signedWriter{opened})
	}
	return writers, closers, nil
}

type etcdWriter struct{ kvs pb.KVClient }

// Put implements [load.Writer].
func (w etcdWriter) Put(ctx context.Context, key, value []byte) error {
	_, err := w.kvs.Put(ctx, &pb.PutRequest{Key: key, Value: value})
	return err
}

type orderWriter struct{ orders *client.Orders }

// Put implements [load.Writer].
func (w orderWriter) Put(ctx context.Context, key, value []byte) error {
	op, err := kv.Encode(kv.Put{Key: key, Value: value})
	if err != nil {
		return err
	}
	raw, err := w.orders.Do(ctx, op)
	if err != nil {
		return err
	}
	r, err := kv.DecodeResult(raw)
	if err == nil && r.Code != kv.CodeOK {
		err = &client.CodeError{Code: r.Code, Text: r.Error}
	}
	return err
}

type signedWriter struct{ client *client.Client }

// Put implements [load.Writer].
func (w signedWriter) Put(ctx context.Context, key, value []byte) error {
	_, err := w.client.Put(ctx, key, value)
	return err
}

// errorKind sorts the errors of all ways into few kinds.
func errorKind(err error) string {
	code := status.Code(err)
	switch {
	case errors.Is(err, client.ErrBusy), code == codes.ResourceExhausted:
		return "busy"
	case errors.Is(err, client.ErrNotReady):
		return "not ready"
	case errors.Is(err, client.ErrUnknown), errors.Is(rpctypes.Error(err), rpctypes.ErrTimeout):
		return "unknown outcome"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, client.ErrNoAnswer),
		code == codes.DeadlineExceeded:
		return "no answer in time"
	case code == codes.Unavailable:
		return "unreachable"
	default:
		return "refused"
	}
}

// benchProgress is a line on a terminal that says how far a bench is.
type benchProgress struct {
	file *os.File // nil if it is no terminal
}

func newBenchProgress(w io.Writer) *benchProgress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &benchProgress{f}
	}
	return &benchProgress{}
}

func (p *benchProgress) show(elapsed time.Duration, writes uint64) {
	if p.file != nil {
		_, _ = fmt.Fprintf(p.file, "\r\x1b[K%.0f s: %d writes, %.0f/s", elapsed.Seconds(), writes,
			float64(writes)/elapsed.Seconds())
	}
}

func (p *benchProgress) clear() {
	if p.file != nil {
		_, _ = fmt.Fprint(p.file, "\r\x1b[K")
	}
}
