package pg

import "github.com/prometheus/client_golang/prometheus"

// Collector shows the state of the pool.
func (db *DB) Collector() prometheus.Collector {
	labels := prometheus.Labels{"schema": db.schema}
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, labels) }
	return collector{db,
		desc("entente_pg_connections_in_use", "Connections that run a transaction."),
		desc("entente_pg_connections", "Open connections."),
		desc("entente_pg_acquire_wait_seconds_total", "Time spent waiting for a connection."),
	}
}

type collector struct {
	db                *DB
	used, total, wait *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.db.pool.Stat()
	ch <- prometheus.MustNewConstMetric(c.used, prometheus.GaugeValue, float64(s.AcquiredConns()))
	ch <- prometheus.MustNewConstMetric(c.total, prometheus.GaugeValue, float64(s.TotalConns()))
	ch <- prometheus.MustNewConstMetric(c.wait, prometheus.CounterValue, s.AcquireDuration().Seconds())
}
