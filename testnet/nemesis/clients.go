package nemesis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"byzd/crypto"
	"byzd/daemon/client"
	"byzd/daemon/genesis"
	"byzd/daemon/kv"
	"byzd/testnet"
	"byzd/testnet/load"
)

// session is a [load.Store] that is closed at the end, and that can look for another gateway.
type session interface {
	load.Store

	// move goes to another gateway after a failure, where that is for the client to do.
	move() error
	close() error
}

// prefixEnd is the first key behind all that begin with a prefix.
func prefixEnd(prefix string) []byte {
	end := []byte(prefix)
	end[len(end)-1]++ // the workloads' prefixes end with '/'
	return end
}

// signedSession is a client with a key of its own, which believes f+1 members.
type signedSession struct{ client *client.Client }

// openSigned makes a signed client whose requests go first to the node in this place.
func openSigned(ctx context.Context, home string, g *genesis.Genesis, at int) (session, error) {
	var seed [crypto.SeedSize]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, err
	}
	key := crypto.NewNetworkKey(seed)
	endpoints := func() []string {
		st, err := testnet.ReadState(home)
		if err != nil {
			return nil
		}
		var list []string
		for k := range st.Nodes {
			if where := st.Nodes[(at+k)%len(st.Nodes)].Client; where != "" {
				list = append(list, where)
			}
		}
		return list
	}
	c, err := client.Open(ctx, client.Options{
		Endpoints: endpoints(), Refresh: endpoints, Genesis: g, Key: &key,
	})
	if err != nil {
		return nil, err
	}
	return signedSession{c}, nil
}

func (signedSession) move() error    { return nil } // it does so by itself
func (s signedSession) close() error { return s.client.Close() }

// do is the client's Do; a refusal of the store is certain, and so is what was not sent.
func (s signedSession) do(ctx context.Context, op kv.Op) (kv.Result, error) {
	r, err := s.client.Do(ctx, op)
	if e, ok := errors.AsType[*client.NoAnswerError](err); ok && (e.Registering || e.Sent == 0) {
		return r, fmt.Errorf("%w: %w", load.ErrNotDone, err)
	}
	if err == nil && r.Code != kv.CodeOK {
		return r, fmt.Errorf("%w: %w", load.ErrNotDone,
			&client.CodeError{Code: r.Code, Text: r.Error})
	}
	return r, err
}

// Get implements [load.Store].
func (s signedSession) Get(ctx context.Context, key string) (string, error) {
	r, err := s.do(ctx, kv.Range{Key: []byte(key)})
	if err != nil || len(r.KVs) == 0 {
		return "", err
	}
	return string(r.KVs[0].Value), nil
}

// Put implements [load.Store].
func (s signedSession) Put(ctx context.Context, key, value string) error {
	_, err := s.do(ctx, kv.Put{Key: []byte(key), Value: []byte(value)})
	return err
}

// Swap implements [load.Store].
func (s signedSession) Swap(
	ctx context.Context, key, expect, value string,
) (done bool, now string, err error) {
	r, err := s.do(ctx, kv.CompareAndSwap{
		Key: []byte(key), Expect: []byte(expect), Absent: expect == "", New: []byte(value),
	})
	if err == nil && !r.Succeeded && len(r.KVs) > 0 {
		now = string(r.KVs[0].Value)
	}
	return r.Succeeded, now, err
}

// List implements [load.Store].
func (s signedSession) List(ctx context.Context, prefix string) ([]load.Entry, error) {
	r, err := s.do(ctx, kv.Range{Key: []byte(prefix), End: prefixEnd(prefix)})
	var list []load.Entry
	for _, e := range r.KVs {
		list = append(list, load.Entry{Key: string(e.Key), Value: string(e.Value)})
	}
	return list, err
}

// Create implements [load.Store].
func (s signedSession) Create(ctx context.Context, entries []load.Entry) (bool, error) {
	txn := kv.Txn{Compares: []kv.Compare{{
		Key: []byte(entries[0].Key), Target: kv.TargetVersion, Operator: kv.Equal,
	}}}
	for _, e := range entries {
		txn.Success = append(txn.Success, kv.Put{Key: []byte(e.Key), Value: []byte(e.Value)})
	}
	r, err := s.do(ctx, txn)
	return r.Succeeded, err
}

// Transfer implements [load.Store]. It is the store's own operation, which does harm if it runs
// twice.
func (s signedSession) Transfer(
	ctx context.Context, from, to string, amount uint64,
) (bool, error) {
	r, err := s.do(ctx, kv.Transfer{From: []byte(from), To: []byte(to), Amount: amount})
	if errors.Is(err, load.ErrNotDone) &&
		(r.Code == kv.CodeInsufficient || r.Code == kv.CodeNoAccount) {
		return false, nil // an answer, and one that says what is there
	}
	return r.Succeeded, err
}

// etcdSession is an etcd client, which trusts the gateway that it talks to.
type etcdSession struct {
	gateways func() []string
	at       int
	conn     *grpc.ClientConn
	kvs      pb.KVClient
}

// openEtcd makes an etcd client that starts at the gateway in this place.
func openEtcd(gateways func() []string, at int) (session, error) {
	e := &etcdSession{gateways: gateways, at: at}
	return e, e.dial()
}

func (e *etcdSession) dial() error {
	list := e.gateways()
	if len(list) == 0 {
		return errors.New("there is no gateway")
	}
	conn, err := client.Dial(list[e.at%len(list)])
	if err != nil {
		return err
	}
	e.conn, e.kvs = conn, pb.NewKVClient(conn)
	return nil
}

func (e *etcdSession) move() error {
	err := e.conn.Close()
	e.at++
	return errors.Join(err, e.dial())
}

func (e *etcdSession) close() error { return e.conn.Close() }

// certain marks errors by which the gateway says that it did nothing.
func certain(err error) error {
	s := status.Convert(err)
	said := strings.HasPrefix(s.Message(), "byzd: ")
	if err != nil && (s.Code() == codes.Unavailable && said ||
		s.Code() == codes.ResourceExhausted || s.Code() == codes.InvalidArgument) {
		return fmt.Errorf("%w: %w", load.ErrNotDone, err)
	}
	return err
}

// Get implements [load.Store].
func (e *etcdSession) Get(ctx context.Context, key string) (string, error) {
	r, err := e.kvs.Range(ctx, &pb.RangeRequest{Key: []byte(key)})
	if err != nil || len(r.GetKvs()) == 0 {
		return "", err
	}
	return string(r.GetKvs()[0].GetValue()), nil
}

// Put implements [load.Store].
func (e *etcdSession) Put(ctx context.Context, key, value string) error {
	_, err := e.kvs.Put(ctx, &pb.PutRequest{Key: []byte(key), Value: []byte(value)})
	return certain(err)
}

func isValue(key, value string) *pb.Compare {
	if value == "" {
		return &pb.Compare{
			Key: []byte(key), Target: pb.Compare_VERSION,
			TargetUnion: &pb.Compare_Version{Version: 0},
		}
	}
	return &pb.Compare{
		Key: []byte(key), Target: pb.Compare_VALUE,
		TargetUnion: &pb.Compare_Value{Value: []byte(value)},
	}
}

func putOp(key, value string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{
		RequestPut: &pb.PutRequest{Key: []byte(key), Value: []byte(value)},
	}}
}

func rangeOp(key string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{
		RequestRange: &pb.RangeRequest{Key: []byte(key)},
	}}
}

// Swap implements [load.Store].
func (e *etcdSession) Swap(
	ctx context.Context, key, expect, value string,
) (done bool, now string, err error) {
	r, err := e.kvs.Txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{isValue(key, expect)},
		Success: []*pb.RequestOp{putOp(key, value)},
		Failure: []*pb.RequestOp{rangeOp(key)},
	})
	if err != nil {
		return false, "", certain(err)
	}
	if !r.GetSucceeded() {
		if kvs := r.GetResponses()[0].GetResponseRange().GetKvs(); len(kvs) > 0 {
			now = string(kvs[0].GetValue())
		}
	}
	return r.GetSucceeded(), now, nil
}

// List implements [load.Store].
func (e *etcdSession) List(ctx context.Context, prefix string) ([]load.Entry, error) {
	r, err := e.kvs.Range(ctx, &pb.RangeRequest{Key: []byte(prefix), RangeEnd: prefixEnd(prefix)})
	var list []load.Entry
	for _, kv := range r.GetKvs() {
		list = append(list, load.Entry{Key: string(kv.GetKey()), Value: string(kv.GetValue())})
	}
	return list, err
}

// Create implements [load.Store].
func (e *etcdSession) Create(ctx context.Context, entries []load.Entry) (bool, error) {
	txn := &pb.TxnRequest{Compare: []*pb.Compare{isValue(entries[0].Key, "")}}
	for _, entry := range entries {
		txn.Success = append(txn.Success, putOp(entry.Key, entry.Value))
	}
	r, err := e.kvs.Txn(ctx, txn)
	return r.GetSucceeded(), certain(err)
}

// Transfer implements [load.Store] as etcd's users do it: it reads, and writes both if nothing has
// changed meanwhile. If something has, nothing was done.
func (e *etcdSession) Transfer(
	ctx context.Context, from, to string, amount uint64,
) (bool, error) {
	balances := make([]uint64, 2)
	texts := make([]string, 2)
	for i, key := range []string{from, to} {
		text, err := e.Get(ctx, key)
		if err != nil {
			return false, fmt.Errorf("%w: %w", load.ErrNotDone, err)
		}
		if balances[i], err = strconv.ParseUint(text, 10, 64); err != nil {
			return false, fmt.Errorf("%w: account %s: %w", load.ErrNotDone, key, err)
		}
		texts[i] = text
	}
	if balances[0] < amount {
		return false, fmt.Errorf("%w: too little", load.ErrNotDone)
	}
	r, err := e.kvs.Txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{isValue(from, texts[0]), isValue(to, texts[1])},
		Success: []*pb.RequestOp{
			putOp(from, strconv.FormatUint(balances[0]-amount, 10)),
			putOp(to, strconv.FormatUint(balances[1]+amount, 10)),
		},
	})
	if err != nil {
		return false, certain(err)
	}
	if !r.GetSucceeded() {
		return false, fmt.Errorf("%w: the balances have changed", load.ErrNotDone)
	}
	return true, nil
}

// gatewaysOf lists the client endpoints of the nodes that are never charged in a run.
func gatewaysOf(home string, charged []int) func() []string {
	return func() []string {
		st, err := testnet.ReadState(home)
		if err != nil {
			return nil
		}
		var list []string
		for i := range st.Nodes {
			if st.Nodes[i].Client != "" && !slices.Contains(charged, i) {
				list = append(list, st.Nodes[i].Client)
			}
		}
		return list
	}
}
