package engine

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the figures of the engine. Labels never name a tenant or a job.
type Metrics struct {
	objects  *prometheus.CounterVec
	cycles   *prometheus.HistogramVec
	lost     prometheus.Counter
	lag      prometheus.Histogram
	onDemand prometheus.Histogram
}

// NewMetrics registers the figures; a nil registry keeps them to themselves.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		objects: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "entente_sync_objects_total", Help: "Objects by action and status."}, []string{"action", "status"}),
		cycles: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "entente_sync_cycle_seconds", Help: "Duration of cycles by kind.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 9)}, []string{"kind"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{Name: "entente_sync_leases_lost_total", Help: "Leases taken over by another runner."}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "entente_sync_lag_seconds", Help: "Age of the oldest relevant change when its cycle ended.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 9)}),
		onDemand: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "entente_sync_on_demand_seconds", Help: "Duration of provisioning on demand.",
			Buckets: prometheus.ExponentialBuckets(0.005, 3, 9)}),
	}
	if registry != nil {
		registry.MustRegister(m.objects, m.cycles, m.lost, m.lag, m.onDemand)
	}
	return m
}
