package demo

import (
	"context"
	"net/http"

	"entente.dev/deploy/entente/internal/graph"
	"entente.dev/deploy/entente/internal/state"
)

// Graph speaks to the Graph facade as the administrator application of one
// tenant.
type Graph struct {
	*graph.Client
	at     Address
	tenant state.Tenant
}

// Address is where a suite is reached.
type Address struct {
	// HTTP is the origin on plain HTTP, on loopback.
	HTTP string
	// Resource is the origin that the suite calls itself.
	Resource string
	// Mail is the origin of the mail catcher.
	Mail string
	// Client carries the requests; it must trust the suite's authority.
	Client *http.Client
}

// NewGraph answers a client for the tenant.
func NewGraph(at Address, tenant state.Tenant) *Graph {
	return &Graph{at: at, tenant: tenant, Client: graph.New(graph.Config{
		Origin: at.HTTP, TenantID: tenant.TenantID, ClientID: tenant.ClientID, ClientSecret: tenant.ClientSecret, HTTP: at.Client,
	})}
}

// list reads every page of a collection.
func list[T any](ctx context.Context, g *Graph, path string) ([]T, error) {
	all, err := graph.List[T](ctx, g.Client, path, nil, 0)
	return all.Value, err
}

// bind is the link that names an object in a request.
func (g *Graph) bind(id string) string { return g.at.Resource + "/v1.0/directoryObjects/" + id }
