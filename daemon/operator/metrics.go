package operator

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Metric is one number with its name. Names follow Prometheus' conventions.
type Metric struct {
	Name    string
	Help    string
	Counter bool // it only grows; else it is a gauge
	Labels  map[string]string
	Value   float64
}

// collector asks the node at each scrape, so that nothing is counted twice.
type collector struct{ node Node }

// Describe implements prometheus.Collector. It says nothing: the names are the node's.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	for _, m := range c.node.Metrics() {
		names := slices.Sorted(maps.Keys(m.Labels))
		values := make([]string, len(names))
		for i, name := range names {
			values[i] = m.Labels[name]
		}
		kind := prometheus.GaugeValue
		if m.Counter {
			kind = prometheus.CounterValue
		}
		desc := prometheus.NewDesc(m.Name, m.Help, names, nil)
		out <- prometheus.MustNewConstMetric(desc, kind, m.Value, values...)
	}
}
