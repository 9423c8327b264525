// Package load puts a service under load and measures what it does: a closed loop of clients, each
// of which writes, waits for the answer, and writes again. It knows nothing of byzd; what is
// measured is a [Writer].
//
// What happens before the measurement, while connections are made and caches are filled, is not
// counted. Latencies go into a histogram of fixed size with a resolution of 1.6 %, so a long run
// needs no more memory than a short one. Nothing in it is a test of speed: it reports.
package load
