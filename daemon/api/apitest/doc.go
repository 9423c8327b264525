// Package apitest runs a small cluster in one process for tests of what stands in front of it: real
// loops over disks in memory, driven by one goroutine, behind real client endpoints on loopback.
// The endpoints can be made to fail and lie while the replicas behind them stay correct.
package apitest
