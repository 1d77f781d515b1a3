package pg

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func newCollector(db *DB) collector {
	labels := prometheus.Labels{"schema": db.schema}
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, labels) }
	return collector{db,
		desc("entente_pg_connections_in_use", "Connections that run a transaction."),
		desc("entente_pg_connections", "Open connections."),
		desc("entente_pg_acquire_wait_seconds_total", "Time spent waiting for a connection."),
		desc("entente_pg_oldest_write_seconds", "Age of the oldest writing transaction of this role that runs."),
		desc("entente_pg_horizon_transactions", "Transactions of the server that readers of the change feed do not see yet, ended ones among them."),
	}
}

// collector shows the state of the pool, and what holds back the readers of
// the change feed, who see nothing that is younger than the oldest running
// writer of the whole server. A role sees the age of its own transactions
// alone; how many transactions wait behind the oldest it sees of all.
type collector struct {
	db                                 *DB
	used, total, wait, oldest, horizon *prometheus.Desc
}

const scrapeLimit = time.Second

const horizon = `
select coalesce(extract(epoch from clock_timestamp() - min(xact_start) filter (where backend_xid is not null)), 0)::float8,
       (select pg_snapshot_xmax(s)::text::float8 - pg_snapshot_xmin(s)::text::float8 from pg_current_snapshot() s)
  from pg_stat_activity`

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.used, c.total, c.wait, c.oldest, c.horizon} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.db.pool.Stat()
	ch <- prometheus.MustNewConstMetric(c.used, prometheus.GaugeValue, float64(s.AcquiredConns()))
	ch <- prometheus.MustNewConstMetric(c.total, prometheus.GaugeValue, float64(s.TotalConns()))
	ch <- prometheus.MustNewConstMetric(c.wait, prometheus.CounterValue, s.AcquireDuration().Seconds())
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	var age, behind float64
	if c.db.pool.QueryRow(ctx, horizon).Scan(&age, &behind) != nil {
		return // a server that does not answer has no age to show
	}
	ch <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, age)
	ch <- prometheus.MustNewConstMetric(c.horizon, prometheus.GaugeValue, behind)
}
