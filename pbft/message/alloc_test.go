package message_test

import "runtime"

// allocated returns how many bytes are allocated while a function runs. Tests that use it do not
// run in parallel with others.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
