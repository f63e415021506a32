package client

import "context"

// Metrics returns the service's metrics in the Prometheus text format. On the machine itself it takes no
// token, elsewhere an operator's.
func (c *Client) Metrics(ctx context.Context) (*Download, error) {
	return c.download(ctx, request{method: "GET", path: "/metrics"})
}

// OpenAPI returns the contract that the service has, in YAML. It takes no token.
func (c *Client) OpenAPI(ctx context.Context) (*Download, error) {
	return c.download(ctx, request{method: "GET", path: "/openapi.yaml"})
}
