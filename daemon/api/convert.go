package api

import (
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"byzd/daemon/kv"
)

// rangeOp translates a read; what the store cannot do is named.
func rangeOp(req *pb.RangeRequest) (kv.Range, error) {
	var op kv.Range
	if len(req.GetKey()) == 0 {
		return op, rpctypes.ErrGRPCEmptyKey
	}
	_, order := pb.RangeRequest_SortOrder_name[int32(req.GetSortOrder())]
	_, target := pb.RangeRequest_SortTarget_name[int32(req.GetSortTarget())]
	switch {
	case !order || !target:
		return op, rpctypes.ErrGRPCInvalidSortOption
	case req.GetSortOrder() == pb.RangeRequest_DESCEND:
		return op, unimplemented("descending order (Range with sort_order DESCEND)")
	case req.GetSortTarget() != pb.RangeRequest_KEY && req.GetSortOrder() != pb.RangeRequest_NONE:
		return op, unimplemented("sorting by anything but the key (Range with sort_target)")
	case req.GetMinModRevision() != 0:
		return op, unimplemented("min_mod_revision")
	case req.GetMaxModRevision() != 0:
		return op, unimplemented("max_mod_revision")
	case req.GetMinCreateRevision() != 0:
		return op, unimplemented("min_create_revision")
	case req.GetMaxCreateRevision() != 0:
		return op, unimplemented("max_create_revision")
	}
	return kv.Range{
		Key: req.GetKey(), End: req.GetRangeEnd(),
		Limit:    uint64(max(0, req.GetLimit())),
		Revision: max(0, req.GetRevision()), // below zero means the newest, as in etcd
		KeysOnly: req.GetKeysOnly(), CountOnly: req.GetCountOnly(),
	}, nil
}

func putOp(req *pb.PutRequest) (kv.Put, error) {
	switch {
	case len(req.GetKey()) == 0:
		return kv.Put{}, rpctypes.ErrGRPCEmptyKey
	case req.GetIgnoreValue():
		return kv.Put{}, unimplemented("ignore_value")
	case req.GetIgnoreLease():
		return kv.Put{}, unimplemented("ignore_lease")
	case req.GetLease() != 0:
		return kv.Put{}, unimplemented("leases (Put with lease)")
	}
	return kv.Put{Key: req.GetKey(), Value: req.GetValue(), PrevKV: req.GetPrevKv()}, nil
}

func deleteOp(req *pb.DeleteRangeRequest) (kv.DeleteRange, error) {
	if len(req.GetKey()) == 0 {
		return kv.DeleteRange{}, rpctypes.ErrGRPCEmptyKey
	}
	return kv.DeleteRange{
		Key: req.GetKey(), End: req.GetRangeEnd(), PrevKV: req.GetPrevKv(),
	}, nil
}

func txnOp(req *pb.TxnRequest) (kv.Txn, error) {
	var op kv.Txn
	if len(req.GetCompare()) > kv.TxnOpsMax || len(req.GetSuccess()) > kv.TxnOpsMax ||
		len(req.GetFailure()) > kv.TxnOpsMax {
		return op, rpctypes.ErrGRPCTooManyOps
	}
	for _, c := range req.GetCompare() {
		compare, err := compareOf(c)
		if err != nil {
			return op, err
		}
		op.Compares = append(op.Compares, compare)
	}
	var err error
	if op.Success, err = branchOf(req.GetSuccess()); err != nil {
		return op, err
	}
	op.Failure, err = branchOf(req.GetFailure())
	return op, err
}

func compareOf(c *pb.Compare) (kv.Compare, error) {
	out := kv.Compare{Key: c.GetKey()}
	switch {
	case len(c.GetKey()) == 0:
		return out, rpctypes.ErrGRPCEmptyKey
	case len(c.GetRangeEnd()) > 0:
		return out, unimplemented("comparing a range (Compare with range_end)")
	}
	switch c.GetTarget() {
	case pb.Compare_VERSION:
		out.Target, out.Number = kv.TargetVersion, c.GetVersion()
	case pb.Compare_CREATE:
		out.Target, out.Number = kv.TargetCreate, c.GetCreateRevision()
	case pb.Compare_MOD:
		out.Target, out.Number = kv.TargetMod, c.GetModRevision()
	case pb.Compare_VALUE:
		out.Target, out.Value = kv.TargetValue, c.GetValue()
	case pb.Compare_LEASE:
		return out, unimplemented("leases (Compare with target LEASE)")
	default:
		return out, unimplemented("this target of Compare: " + c.GetTarget().String())
	}
	switch c.GetResult() {
	case pb.Compare_EQUAL:
		out.Operator = kv.Equal
	case pb.Compare_GREATER:
		out.Operator = kv.Greater
	case pb.Compare_LESS:
		out.Operator = kv.Less
	case pb.Compare_NOT_EQUAL:
		out.Operator = kv.NotEqual
	default:
		return out, unimplemented("this result of Compare: " + c.GetResult().String())
	}
	return out, nil
}

func branchOf(requests []*pb.RequestOp) ([]kv.Op, error) {
	ops := make([]kv.Op, 0, len(requests))
	for _, one := range requests {
		op, err := requestOp(one)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

func requestOp(req *pb.RequestOp) (kv.Op, error) {
	switch r := req.GetRequest().(type) {
	case *pb.RequestOp_RequestRange:
		return rangeOp(r.RequestRange)
	case *pb.RequestOp_RequestPut:
		return putOp(r.RequestPut)
	case *pb.RequestOp_RequestDeleteRange:
		return deleteOp(r.RequestDeleteRange)
	case *pb.RequestOp_RequestTxn:
		return nil, unimplemented("a transaction in a transaction")
	default:
		return nil, rpctypes.ErrGRPCKeyNotFound // etcd's answer to an empty operation
	}
}

func rangeResponse(r *kv.Result, head *pb.ResponseHeader) *pb.RangeResponse {
	return &pb.RangeResponse{Header: head, Kvs: keyValues(r.KVs), More: r.More, Count: r.Count}
}

func putResponse(r *kv.Result, head *pb.ResponseHeader) *pb.PutResponse {
	out := &pb.PutResponse{Header: head}
	if len(r.PrevKVs) > 0 {
		out.PrevKv = keyValue(&r.PrevKVs[0])
	}
	return out
}

func deleteResponse(r *kv.Result, head *pb.ResponseHeader) *pb.DeleteRangeResponse {
	return &pb.DeleteRangeResponse{
		Header: head, Deleted: r.Deleted, PrevKvs: keyValues(r.PrevKVs),
	}
}

// txnResponse gives each response the type of the operation that it answers.
func txnResponse(op *kv.Txn, r *kv.Result, head *pb.ResponseHeader) (*pb.TxnResponse, error) {
	branch := op.Success
	if !r.Succeeded {
		branch = op.Failure
	}
	if len(branch) != len(r.Responses) {
		return nil, orderError(ErrUnknown) // not what a correct node says
	}
	out := &pb.TxnResponse{Header: head, Succeeded: r.Succeeded}
	for i := range r.Responses {
		one := &r.Responses[i]
		h := &pb.ResponseHeader{Revision: one.Revision}
		var response pb.ResponseOp
		switch branch[i].(type) {
		case kv.Range:
			response.Response = &pb.ResponseOp_ResponseRange{ResponseRange: rangeResponse(one, h)}
		case kv.Put:
			response.Response = &pb.ResponseOp_ResponsePut{ResponsePut: putResponse(one, h)}
		case kv.DeleteRange:
			response.Response = &pb.ResponseOp_ResponseDeleteRange{
				ResponseDeleteRange: deleteResponse(one, h),
			}
		case kv.Txn, kv.CompareAndSwap, kv.Transfer: // not in a transaction
		}
		out.Responses = append(out.Responses, &response)
	}
	return out, nil
}

func keyValues(kvs []kv.KV) []*mvccpb.KeyValue {
	if len(kvs) == 0 {
		return nil
	}
	out := make([]*mvccpb.KeyValue, len(kvs))
	for i := range kvs {
		out[i] = keyValue(&kvs[i])
	}
	return out
}

func keyValue(e *kv.KV) *mvccpb.KeyValue {
	return &mvccpb.KeyValue{
		Key: e.Key, Value: e.Value,
		CreateRevision: e.Create, ModRevision: e.Mod, Version: e.Version,
	}
}
