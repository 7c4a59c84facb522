package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// bulkLowWater is how many bytes must have come before the system wakes a reader, who else looks by itself.
	bulkLowWater = 1 << 20
	// bulkBuffer is how many bytes are read at once.
	bulkBuffer = 256 << 10
	// leastLook and mostLook are how long a reader pauses between two looks: the longer, the longer nothing has come.
	leastLook = 500 * time.Microsecond
	mostLook  = 20 * time.Millisecond
)

// bulkConn is a connection through which many rows come. Postgres sends 8 KiB at a time, for each of which the system would
// wake whoever waits: for a million rows that costs Postgres a tenth of its time and us more than all that is done with the
// rows. So it wakes nobody, and the reader looks every now and then, when much has come. An answer may be half a millisecond
// late for it.
type bulkConn struct {
	*net.TCPConn
	raw    syscall.RawConn
	buffer []byte
	unread []byte // of the buffer
}

// dialBulk dials a bulkConn; what is no TCP is a usual connection.
func dialBulk(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	tcp, isTCP := conn.(*net.TCPConn)
	if err != nil || !isTCP {
		return conn, err
	}
	raw, err := tcp.SyscallConn()
	if err == nil {
		// Where the system refuses, it goes on waking: the reader is none the worse for it.
		err = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bulkLowWater) })
	}
	if err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	return &bulkConn{TCPConn: tcp, raw: raw, buffer: make([]byte, bulkBuffer)}, nil
}

// Read implements net.Conn.
func (c *bulkConn) Read(p []byte) (int, error) {
	for pause := leastLook; len(c.unread) == 0; pause = min(2*pause, mostLook) {
		n, there, err := c.look()
		switch {
		case err != nil:
			return 0, err
		case !there:
			time.Sleep(pause)
		case n == 0:
			return 0, io.EOF
		}
		c.unread = c.buffer[:n]
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// look reads what has come, if anything has. Errors: those of the connection, its deadline's among them.
func (c *bulkConn) look() (n int, there bool, err error) {
	var failed error
	err = c.raw.Read(func(fd uintptr) bool {
		for {
			if n, failed = unix.Read(int(fd), c.buffer); !errors.Is(failed, unix.EINTR) {
				return true
			}
		}
	})
	switch {
	case err != nil:
		return 0, false, err
	case errors.Is(failed, unix.EAGAIN):
		return 0, false, nil
	case failed != nil:
		return 0, false, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: failed}
	}
	return n, true, nil
}
