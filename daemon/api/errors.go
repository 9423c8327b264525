package api

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"byzd/daemon/api/byzdpb"
	"byzd/daemon/kv"
)

// errStopped ends what is under way when the server stops.
var errStopped = rpctypes.ErrGRPCStopped

// unimplemented says which part of a request byzd cannot do.
func unimplemented(what string) error {
	return status.Error(codes.Unimplemented, "byzd does not have "+what+" yet")
}

// orderError turns what became of an operation into what an etcd client knows.
func orderError(err error) error {
	switch {
	case errors.Is(err, ErrBusy):
		return rpctypes.ErrGRPCRequestTooManyRequests
	case errors.Is(err, ErrNotReady):
		return status.Error(codes.Unavailable, "byzd: "+err.Error())
	default:
		return rpctypes.ErrGRPCTimeout
	}
}

// contextError is what a call gets whose context ended before its answer was there.
func contextError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return rpctypes.ErrGRPCCanceled
	}
	return rpctypes.ErrGRPCTimeout
}

// encodeError turns a refusal of kv.Encode into etcd's words.
func encodeError(err error) error {
	switch {
	case errors.Is(err, kv.ErrTooLarge):
		return rpctypes.ErrGRPCRequestTooLarge
	case errors.Is(err, kv.ErrTooManyOps):
		return rpctypes.ErrGRPCTooManyOps
	default:
		return status.Error(codes.InvalidArgument, "byzd: "+err.Error())
	}
}

// codeError turns the code of a result into etcd's words, or nil.
func codeError(r *kv.Result) error {
	switch r.Code {
	case kv.CodeOK:
		return nil
	case kv.CodeEmptyKey:
		return rpctypes.ErrGRPCEmptyKey
	case kv.CodeDuplicateKey:
		return rpctypes.ErrGRPCDuplicateKey
	case kv.CodeTooManyOps:
		return rpctypes.ErrGRPCTooManyOps
	case kv.CodeTooLarge:
		return rpctypes.ErrGRPCRequestTooLarge
	case kv.CodeFutureRevision:
		return rpctypes.ErrGRPCFutureRev
	case kv.CodeNoHistory:
		return rpctypes.ErrGRPCCompacted
	case kv.CodeNoSpace:
		return rpctypes.ErrGRPCNoSpace
	case kv.CodeResultTooLarge:
		return status.Error(codes.ResourceExhausted, "byzd: "+r.Error)
	default:
		return status.Error(codes.InvalidArgument, "byzd: "+r.Error)
	}
}

// reasonOf turns a node's error into byzd's own frame.
func reasonOf(err error) byzdpb.Reason {
	switch {
	case errors.Is(err, ErrBusy):
		return byzdpb.Reason_REASON_BUSY
	case errors.Is(err, ErrNotReady):
		return byzdpb.Reason_REASON_NOT_READY
	case errors.Is(err, errBadRequest):
		return byzdpb.Reason_REASON_BAD_REQUEST
	default:
		return byzdpb.Reason_REASON_UNKNOWN
	}
}

// errBadRequest says that a request of a frame cannot be ordered.
var errBadRequest = errors.New("bad request")
