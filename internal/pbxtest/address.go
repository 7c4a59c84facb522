package pbxtest

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// FreeAddr is a loopback address that nobody listens on. Its port is kept from everybody who asks for any port
// until the test ends, and is there for whoever asks for this one.
func FreeAddr(t testing.TB) string {
	t.Helper()
	// Bound, and not listened at: what asks for this very port is given it too, since both say SO_REUSEADDR.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.CloseOnExec(fd)
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", bound.(*unix.SockaddrInet4).Port)
}
