// Package api is the client endpoint of a node: one gRPC server that speaks etcd's KV service, for
// clients that trust this node, and byzd's own service for those that trust none.
package api
