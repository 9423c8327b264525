package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"byzd/daemon/api/apitest"
	"byzd/daemon/genesis"
	"byzd/daemon/kv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is far above what anything here takes.
const limit = time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func etcdClient(t *testing.T, endpoints ...string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, DialTimeout: limit, Logger: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func dial(t *testing.T, endpoint string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// Etcd's own client works unchanged, and what one member is told another one knows.
func TestEtcdClient(t *testing.T) {
	c := apitest.Start(t, "etcd", 4)
	ctx := within(t)
	first, third := etcdClient(t, c.Endpoints[0]), etcdClient(t, c.Endpoints[2])

	put, err := first.Put(ctx, "a", "1")
	if err != nil {
		t.Fatal(err)
	}
	if put.Header.Revision != 2 || put.Header.ClusterId == 0 || put.Header.MemberId == 0 {
		t.Errorf("header %v", put.Header)
	}
	put, err = first.Put(ctx, "a", "2", clientv3.WithPrevKV())
	if err != nil || string(put.PrevKv.Value) != "1" {
		t.Fatalf("put with the previous entry: %v, %v", put, err)
	}
	got, err := third.Get(ctx, "a")
	if err != nil || got.Count != 1 || string(got.Kvs[0].Value) != "2" || got.Kvs[0].Version != 2 {
		t.Fatalf("get at another member: %v, %v", got, err)
	}
	if got.Header.MemberId == put.Header.MemberId || got.Header.ClusterId != put.Header.ClusterId {
		t.Errorf("headers of two members: %v and %v", got.Header, put.Header)
	}
	for _, key := range []string{"p/1", "p/2", "p/3"} {
		if _, err = third.Put(ctx, key, "x"); err != nil {
			t.Fatal(err)
		}
	}
	got, err = first.Get(ctx, "p/", clientv3.WithPrefix(), clientv3.WithLimit(2),
		clientv3.WithKeysOnly())
	if err != nil || len(got.Kvs) != 2 || !got.More || got.Count != 3 || got.Kvs[0].Value != nil {
		t.Fatalf("get with prefix and limit: %v, %v", got, err)
	}
	del, err := first.Delete(ctx, "p/", clientv3.WithPrefix(), clientv3.WithPrevKV())
	if err != nil || del.Deleted != 3 || len(del.PrevKvs) != 3 {
		t.Fatalf("delete: %v, %v", del, err)
	}
	txn, err := third.Txn(ctx).
		If(clientv3.Compare(clientv3.Value("a"), "=", "2"),
			clientv3.Compare(clientv3.Version("b"), "=", 0)).
		Then(clientv3.OpPut("b", "3"), clientv3.OpGet("b"), clientv3.OpDelete("a")).
		Else(clientv3.OpGet("a")).Commit()
	if err != nil || !txn.Succeeded || len(txn.Responses) != 3 ||
		string(txn.Responses[1].GetResponseRange().Kvs[0].Value) != "3" ||
		txn.Responses[2].GetResponseDeleteRange().Deleted != 1 {
		t.Fatalf("transaction: %v, %v", txn, err)
	}
	txn, err = first.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision("b"), ">", 1000)).
		Then(clientv3.OpPut("b", "4")).Else(clientv3.OpGet("b")).Commit()
	if err != nil || txn.Succeeded ||
		string(txn.Responses[0].GetResponseRange().Kvs[0].Value) != "3" {
		t.Fatalf("transaction whose condition fails: %v, %v", txn, err)
	}
}

// The newest revision may be asked for by its number; there are no others to be had.
func TestRangeAtARevision(t *testing.T) {
	c := apitest.Start(t, "revision", 1)
	ctx := within(t)
	client := etcdClient(t, c.Endpoints[0])
	put, err := client.Put(ctx, "k", "v")
	if err != nil {
		t.Fatal(err)
	}
	now := put.Header.Revision
	got, err := client.Get(ctx, "k", clientv3.WithRev(now))
	if err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "v" {
		t.Errorf("at revision %d: %v, %v", now, got, err)
	}
	for rev, want := range map[int64]error{
		now - 1: rpctypes.ErrCompacted, now + 1: rpctypes.ErrFutureRev,
	} {
		if _, err := client.Get(ctx, "k", clientv3.WithRev(rev)); !errors.Is(err, want) {
			t.Errorf("at revision %d, %d being the newest: %v, want %v", rev, now, err, want)
		}
	}
}

// What etcd's client knows as an error comes as that error.
func TestEtcdErrors(t *testing.T) {
	c := apitest.Start(t, "errors", 1)
	ctx := within(t)
	client := etcdClient(t, c.Endpoints[0])
	large := strings.Repeat("x", 1<<20+1)
	for name, one := range map[string]struct {
		call func() error
		want error
	}{
		"no key": {
			func() error { _, err := client.Put(ctx, "", "v"); return err },
			rpctypes.ErrEmptyKey,
		},
		"twice": {func() error {
			put := clientv3.OpPut("k", "1")
			_, err := client.Txn(ctx).Then(put, put).Commit()
			return err
		}, rpctypes.ErrDuplicateKey},
		"large": {
			func() error { _, err := client.Put(ctx, "k", large); return err },
			rpctypes.ErrRequestTooLarge,
		},
		"many": {func() error {
			ops := make([]clientv3.Op, 129)
			for i := range ops {
				ops[i] = clientv3.OpGet("k")
			}
			_, err := client.Txn(ctx).Then(ops...).Commit()
			return err
		}, rpctypes.ErrTooManyOps},
	} {
		if err := one.call(); !errors.Is(err, one.want) {
			t.Errorf("%s: %v, want %v", name, err, one.want)
		}
	}
}

// The largest operation that a bundle has room for is executed, and one byte more is too large in
// etcd's words, whether it is the bundle or the bound on operations that is in the way.
func TestLargestRequest(t *testing.T) {
	ctx := within(t)
	for name, bundle := range map[string]int{"bundle": 64 << 10, "operation": 8 << 20} {
		c := apitest.Start(t, "largest"+name, 4, func(g *genesis.Genesis) {
			g.Params.MaxBundleBytes = bundle
		})
		client := etcdClient(t, c.Endpoints[0])
		// Two puts, as one value alone is bounded lower.
		commit := func(size int) error {
			_, err := client.Txn(ctx).Then(
				clientv3.OpPut("a", strings.Repeat("x", size/2)),
				clientv3.OpPut("b", strings.Repeat("x", size-size/2))).Commit()
			return err
		}
		empty, err := kv.Encode(kv.Txn{Success: []kv.Op{
			kv.Put{Key: []byte("a")}, kv.Put{Key: []byte("b")},
		}})
		if err != nil {
			t.Fatal(err)
		}
		room := c.Config.MaxOp() - len(empty)
		if err := commit(room); err != nil {
			t.Errorf("%s: the largest request: %v", name, err)
		}
		if err := commit(room + 1); !errors.Is(err, rpctypes.ErrRequestTooLarge) {
			t.Errorf("%s: one byte more: %v", name, err)
		}
	}
}

// Whatever byzd cannot do is refused by name, and nothing is done.
func TestUnimplemented(t *testing.T) {
	c := apitest.Start(t, "unimplemented", 1)
	ctx := within(t)
	conn := dial(t, c.Endpoints[0])
	kvs, key := pb.NewKVClient(conn), []byte("k")
	put := func(req *pb.PutRequest) func() error {
		return func() error { _, err := kvs.Put(ctx, req); return err }
	}
	get := func(req *pb.RangeRequest) func() error {
		return func() error { _, err := kvs.Range(ctx, req); return err }
	}
	compare := func(c *pb.Compare) func() error {
		return func() error {
			_, err := kvs.Txn(ctx, &pb.TxnRequest{Compare: []*pb.Compare{c}})
			return err
		}
	}
	descending, byRevision := pb.RangeRequest_DESCEND, pb.RangeRequest_MOD
	for want, call := range map[string]func() error{
		"lease":            put(&pb.PutRequest{Key: key, Lease: 1}),
		"ignore_value":     put(&pb.PutRequest{Key: key, IgnoreValue: true}),
		"ignore_lease":     put(&pb.PutRequest{Key: key, IgnoreLease: true}),
		"DESCEND":          get(&pb.RangeRequest{Key: key, SortOrder: descending}),
		"sort_target":      get(&pb.RangeRequest{Key: key, SortOrder: 1, SortTarget: byRevision}),
		"min_mod_revision": get(&pb.RangeRequest{Key: key, MinModRevision: 1}),
		"max_mod_revision": get(&pb.RangeRequest{Key: key, MaxModRevision: 1}),
		"min_create_rev":   get(&pb.RangeRequest{Key: key, MinCreateRevision: 1}),
		"max_create_rev":   get(&pb.RangeRequest{Key: key, MaxCreateRevision: 1}),
		"range_end":        compare(&pb.Compare{Key: key, RangeEnd: key}),
		"LEASE":            compare(&pb.Compare{Key: key, Target: pb.Compare_LEASE}),
		"transaction":      txnInTxn(ctx, kvs),
		"RangeStream":      rangeStream(ctx, kvs),
		"Compact": func() error {
			_, err := kvs.Compact(ctx, &pb.CompactionRequest{})
			return err
		},
		"Lease/LeaseGrant": func() error {
			_, err := pb.NewLeaseClient(conn).LeaseGrant(ctx, &pb.LeaseGrantRequest{})
			return err
		},
		"Cluster/MemberList": func() error {
			_, err := pb.NewClusterClient(conn).MemberList(ctx, &pb.MemberListRequest{})
			return err
		},
		"Maintenance/Status": func() error {
			_, err := pb.NewMaintenanceClient(conn).Status(ctx, &pb.StatusRequest{})
			return err
		},
		"Auth/AuthEnable": func() error {
			_, err := pb.NewAuthClient(conn).AuthEnable(ctx, &pb.AuthEnableRequest{})
			return err
		},
		"Watch/Watch": watch(ctx, conn),
	} {
		err := call()
		if status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	got, err := kvs.Range(ctx, &pb.RangeRequest{Key: key, Serializable: true})
	if err != nil || got.GetHeader().GetRevision() != 1 {
		t.Errorf("after requests that are not implemented: %v, %v", got, err)
	}
}

func txnInTxn(ctx context.Context, c pb.KVClient) func() error {
	return func() error {
		_, err := c.Txn(ctx, &pb.TxnRequest{Success: []*pb.RequestOp{
			{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{}}},
		}})
		return err
	}
}

func rangeStream(ctx context.Context, c pb.KVClient) func() error {
	return func() error {
		stream, err := c.RangeStream(ctx, &pb.RangeRequest{Key: []byte("k")})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
}

func watch(ctx context.Context, conn *grpc.ClientConn) func() error {
	return func() error {
		stream, err := pb.NewWatchClient(conn).Watch(ctx)
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
}

// A node that cannot serve says so in terms on which etcd clients act.
func TestEtcdOutcomes(t *testing.T) {
	c := apitest.Start(t, "outcomes", 1)
	ctx := within(t)
	kvs := pb.NewKVClient(dial(t, c.Endpoints[0]))
	for _, one := range []struct {
		fault apitest.Fault
		want  error
	}{
		{apitest.Fault{Busy: true}, rpctypes.ErrGRPCRequestTooManyRequests},
		{apitest.Fault{Unknown: true}, rpctypes.ErrGRPCTimeout},
	} {
		c.SetFault(0, one.fault)
		_, err := kvs.Put(ctx, &pb.PutRequest{Key: []byte("k")})
		if status.Convert(err).Message() != status.Convert(one.want).Message() ||
			status.Code(err) != status.Code(one.want) {
			t.Errorf("%+v: %v, want %v", one.fault, err, one.want)
		}
	}
	c.SetFault(0, apitest.Fault{Drop: true})
	short, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { _, err := kvs.Put(short, &pb.PutRequest{Key: []byte("k")}); done <- err }()
	cancel()
	if err := <-done; status.Code(err) != codes.Canceled {
		t.Errorf("a put that was cancelled: %v", err)
	}
}
