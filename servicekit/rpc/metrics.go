package rpc

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
)

// metrics count RPCs by method and code alone: labels have few values, and
// never a tenant.
type metrics struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	known   sync.Map // of counted, by outcome: looking labels up costs more than counting
}

type outcome struct {
	method string
	code   codes.Code
}

type counted struct {
	total   prometheus.Counter
	seconds prometheus.Observer
}

func newMetrics(r prometheus.Registerer) *metrics {
	if r == nil {
		return nil
	}
	m := &metrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "entente_rpc_total", Help: "RPCs served, by method and gRPC code.",
		}, []string{"method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "entente_rpc_seconds", Help: "Time taken by RPCs served.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method"}),
	}
	m.total = register(r, m.total)
	m.seconds = register(r, m.seconds)
	return m
}

// register answers the collector that is there already when several servers
// of one process share a registry.
func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	var there prometheus.AlreadyRegisteredError
	if err := r.Register(c); errors.As(err, &there) {
		if existing, ok := there.ExistingCollector.(C); ok {
			return existing
		}
	}
	return c
}

func (m *metrics) observe(method string, code codes.Code, took time.Duration) {
	if m == nil {
		return
	}
	key := outcome{method, code}
	known, ok := m.known.Load(key)
	if !ok {
		known, _ = m.known.LoadOrStore(key, counted{m.total.WithLabelValues(method, code.String()), m.seconds.WithLabelValues(method)})
	}
	c, _ := known.(counted)
	c.total.Inc()
	c.seconds.Observe(took.Seconds())
}
