package postgres

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// dialled is a bulkConn and the server's end of it.
func dialled(t *testing.T) (reader, server net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	reader, err = dialBulk(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close(); server.Close() })
	return reader, server
}

// What comes is read, be it much or far too little to wake anybody, up to the end.
func TestBulkConnReadsAll(t *testing.T) {
	t.Parallel()
	reader, server := dialled(t)
	want := make([]byte, 3*bulkLowWater+17)
	random := rand.NewChaCha8([32]byte{1})
	if _, err := random.Read(want); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := server.Write(want[:5])
		for rest := want[5:]; err == nil && len(rest) > 0; {
			n := min(len(rest), 8<<10)
			_, err = server.Write(rest[:n])
			rest = rest[n:]
		}
		sent <- errors.Join(err, server.Close())
	}()
	got, err := io.ReadAll(reader)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// A reader who waits for what does not come ends by a deadline that another sets meanwhile, as pgx does for a context that
// ends, and when the connection is closed.
func TestBulkConnStopsWaiting(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stop func(net.Conn) error
		want error
	}{
		"a deadline": {func(c net.Conn) error { return c.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"closed":     {net.Conn.Close, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader, server := dialled(t)
			if _, err := server.Write([]byte("a")); err != nil {
				t.Fatal(err)
			}
			first := make(chan struct{})
			ended := make(chan error, 1)
			go func() {
				var one [1]byte
				_, err := reader.Read(one[:])
				close(first)
				if err == nil {
					_, err = reader.Read(one[:])
				}
				ended <- err
			}()
			<-first
			if err := tt.stop(reader); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if !errors.Is(err, tt.want) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
			case <-time.After(10 * time.Second):
				t.Error("it goes on waiting")
			}
		})
	}
}

// What is no TCP is read as usual.
func TestDialBulkOverAUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := dialBulk(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, ok := conn.(*net.UnixConn); !ok {
		t.Errorf("got a %T", conn)
	}
	if conn, err := dialBulk(t.Context(), "unix", path+"none"); err == nil || conn != nil {
		t.Errorf("got %v, %v", conn, err)
	}
}
