package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"byzd/daemon/api/apitest"
	"byzd/daemon/client"
	"byzd/daemon/kv"
)

func encoded(t *testing.T, op kv.Op) []byte {
	t.Helper()
	b, err := kv.Encode(op)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func pipeline(t *testing.T, endpoint string) *client.Orders {
	t.Helper()
	o, err := client.OpenOrders(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// Many callers share a pipeline, and each gets its own result.
func TestOrders(t *testing.T) {
	cluster := apitest.Start(t, "pipeline", 4)
	ctx := within(t)
	o := pipeline(t, cluster.Endpoints[2])
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			key := fmt.Appendf(nil, "k%d", i)
			for _, op := range []kv.Op{kv.Put{Key: key, Value: key}, kv.Range{Key: key}} {
				raw, err := o.Do(ctx, encoded(t, op))
				if err != nil {
					t.Error(err)
					return
				}
				r, err := kv.DecodeResult(raw)
				if _, read := op.(kv.Range); err != nil || r.Code != kv.CodeOK ||
					read && !bytes.Equal(r.KVs[0].Value, key) {
					t.Errorf("%s: %+v, %v", key, r, err)
				}
			}
		})
	}
	all.Wait()
}

// What a node does not do is told apart from what may have been done.
func TestOrdersOutcomes(t *testing.T) {
	cluster := apitest.Start(t, "pipelineoutcomes", 1)
	o := pipeline(t, cluster.Endpoints[0])
	op := encoded(t, kv.Put{Key: []byte("k")})
	for _, one := range []struct {
		fault apitest.Fault
		want  error
	}{
		{apitest.Fault{Busy: true}, client.ErrBusy},
		{apitest.Fault{Unknown: true}, client.ErrUnknown},
	} {
		cluster.SetFault(0, one.fault)
		if _, err := o.Do(within(t), op); !errors.Is(err, one.want) {
			t.Errorf("%+v: %v", one.fault, err)
		}
	}
	if _, err := o.Do(within(t), nil); !errors.Is(err, client.ErrRefused) {
		t.Errorf("an empty operation: %v", err)
	}
	cluster.SetFault(0, apitest.Fault{Drop: true})
	before, failed := cluster.Ordered(0), make(chan error, 1)
	go func() { _, err := o.Do(within(t), op); failed <- err }()
	wait(t, func() bool { return cluster.Ordered(0) > before })
	cluster.StopEndpoint(0)
	if err := <-failed; !errors.Is(err, client.ErrUnknown) {
		t.Errorf("a lost connection: %v", err)
	}
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	_, err := o.Do(ctx, op)
	if errors.Is(err, client.ErrUnknown) || !errors.Is(err, client.ErrNoAnswer) {
		t.Errorf("what was never sent: %v", err)
	}
}
