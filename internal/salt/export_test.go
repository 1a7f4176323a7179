package salt

import (
	"context"
	"net"
	"net/http"
	"time"
)

// DialWith makes c reach salt-api through dial, from the next connection on.
func (c *Client) DialWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	c.http.CloseIdleConnections()
	c.http.Transport.(*http.Transport).DialContext = dial
}

// NewJIDs returns what is behind NewJID, of its own.
func NewJIDs() func(time.Time) string { return new(jids).next }
