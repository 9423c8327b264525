// Package byzdpb is what byzd.v1.Byzd looks like on the wire, generated from byzd.proto. It holds
// frames only: what stands in them as bytes (requests, replies, operations, results) has the fixed
// encodings of pbft/message and daemon/kv, because it is signed.
package byzdpb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative byzd.proto
