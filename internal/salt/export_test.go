package salt

import (
	"context"
	"net"
	"net/http"
)

// DialWith makes c reach salt-api through dial, from the next connection on.
func (c *Client) DialWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	c.http.CloseIdleConnections()
	c.http.Transport.(*http.Transport).DialContext = dial
}
