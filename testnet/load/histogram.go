package load

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// subBuckets is how many buckets a power of two is cut into; it makes the resolution.
const (
	subBits    = 6
	subBuckets = 1 << subBits
)

// histogram counts durations of nanoseconds to centuries in logarithmic buckets. It may be used
// from any goroutine.
type histogram struct {
	buckets [(64 - subBits) * subBuckets]atomic.Uint64
	longest atomic.Int64
}

// bucketOf returns the bucket of a duration: those below subBuckets nanoseconds have their own,
// then each power of two has subBuckets of them.
func bucketOf(d time.Duration) int {
	n := uint64(max(0, d))
	if n < subBuckets {
		return int(n)
	}
	shift := bits.Len64(n) - subBits - 1
	return (shift+1)*subBuckets + int(n>>shift) - subBuckets //nolint:gosec // below 2*subBuckets
}

// topOf returns the longest duration of a bucket.
func topOf(bucket int) time.Duration {
	if bucket < subBuckets {
		return time.Duration(bucket)
	}
	shift := bucket/subBuckets - 1
	return time.Duration(bucket%subBuckets+subBuckets+1)<<shift - 1
}

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(d)].Add(1)
	for {
		longest := h.longest.Load()
		if int64(d) <= longest || h.longest.CompareAndSwap(longest, int64(d)) {
			return
		}
	}
}

func (h *histogram) count() uint64 {
	var sum uint64
	for i := range h.buckets {
		sum += h.buckets[i].Load()
	}
	return sum
}

// quantile returns a duration that a share q of all do not exceed, to the resolution; 0 if there
// are none.
func (h *histogram) quantile(q float64) time.Duration {
	total := h.count()
	if total == 0 {
		return 0
	}
	rank := max(1, uint64(q*float64(total)+0.5))
	var sum uint64
	for i := range h.buckets {
		if sum += h.buckets[i].Load(); sum >= rank {
			return min(topOf(i), time.Duration(h.longest.Load()))
		}
	}
	return time.Duration(h.longest.Load())
}
