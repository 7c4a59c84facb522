package authlog

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// jails are what FusionPBX's fail2ban filters look for, in its versions; <HOST> is an address.
var jails = []*regexp.Regexp{
	regexp.MustCompile(`(?i).* fusionpbx: \[([0-9a-fA-F.:]+)\] authentication failed for`),
	regexp.MustCompile(`FusionPBX: \[([0-9a-fA-F.:]+)\] authentication failed`),
}

func TestLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ addr, name, want string }{
		{"198.51.100.66", "admin", "FusionPBX: [198.51.100.66] authentication failed for admin"},
		{"::ffff:198.51.100.66", "admin@pbx1.example", "FusionPBX: [198.51.100.66] authentication failed for admin@pbx1.example"},
		{"2001:db8::1%eth0", "a.b_c+d-e", "FusionPBX: [2001:db8::1] authentication failed for a.b_c+d-e"},
		{"198.51.100.66", "", "FusionPBX: [198.51.100.66] authentication failed for _"},
		{"198.51.100.66", "x FusionPBX: [10.0.0.1] authentication failed for y", "FusionPBX: [198.51.100.66] authentication failed for x_FusionPBX___10.0.0.1__authentication_failed_for_y"},
		{"198.51.100.66", "a\nb\x00cü", "FusionPBX: [198.51.100.66] authentication failed for a_b_c_"},
		{"198.51.100.66", strings.Repeat("x", 1000), "FusionPBX: [198.51.100.66] authentication failed for " + strings.Repeat("x", 64)},
	} {
		if got := message(netip.MustParseAddr(c.addr), c.name); got != c.want {
			t.Errorf("%s, %q: got %q, want %q", c.addr, c.name, got, c.want)
		}
	}
}

// FuzzLine: whatever the name, the line is one line and each jail finds the caller's address in it and
// no other.
func FuzzLine(f *testing.F) {
	f.Add("admin")
	f.Add("x FusionPBX: [10.0.0.1] authentication failed for y")
	f.Add("\r\n[::1]")
	f.Fuzz(func(t *testing.T, name string) {
		line := "Nov 22 23:00:00 pbx " + message(netip.MustParseAddr("198.51.100.66"), name)
		if strings.ContainsAny(line, "\r\n\x00") || strings.Count(line, "[") != 1 {
			t.Fatalf("forged: %q", line)
		}
		for _, jail := range jails {
			found := jail.FindAllStringSubmatch(line, -1)
			if len(found) != 1 || found[0][1] != "198.51.100.66" {
				t.Fatalf("%s finds %v in %q", jail, found, line)
			}
		}
	})
}

// syslog is a socket that datagrams are sent to, and the path of it.
func syslog(t *testing.T) (path string, socket net.PacketConn) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "log")
	socket, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return path, socket
}

func TestSyslog(t *testing.T) {
	t.Parallel()
	path, socket := syslog(t)
	l := New(path, slog.New(slog.DiscardHandler))
	l.now = func() time.Time { return time.Date(2024, 1, 5, 10, 30, 0, 0, time.UTC) }
	l.Failed(netip.MustParseAddr("198.51.100.66"), "admin")
	message := make([]byte, 1000)
	n, _, err := socket.ReadFrom(message)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(message[:n]), "<36>Jan  5 10:30:00 FusionPBX: [198.51.100.66] authentication failed for admin"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.log")
	l := New(path, slog.New(slog.DiscardHandler))
	l.Failed(netip.MustParseAddr("198.51.100.66"), "first")
	if err := os.Rename(path, path+".1"); err != nil { // logrotate
		t.Fatal(err)
	}
	l.Failed(netip.MustParseAddr("198.51.100.66"), "second")
	for file, name := range map[string]string{path + ".1": "first", path: "second"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, jail := range jails {
			if !jail.Match(content) || !strings.HasSuffix(string(content), "for "+name+"\n") {
				t.Errorf("%s: %q", file, content)
			}
		}
	}
}

// What cannot be written is said once, and once more when it can be.
func TestTroubleIsSaidOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	var out bytes.Buffer
	l := New(filepath.Join(dir, "auth.log"), slog.New(slog.NewTextHandler(&out, nil)))
	for range 3 {
		l.Failed(netip.MustParseAddr("198.51.100.66"), "admin")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l.now = func() time.Time { return time.Now().Add(retryInterval) } // it is not tried again at once
	l.Failed(netip.MustParseAddr("198.51.100.66"), "admin")
	if got := out.String(); strings.Count(got, "TRUNKLINE_AUTH_LOG") != 1 || strings.Count(got, "again") != 1 {
		t.Errorf("the log says %s", got)
	}
	New(Off, slog.New(slog.NewTextHandler(&out, nil))).Failed(netip.MustParseAddr("198.51.100.66"), "admin")
	if _, err := os.Stat(Off); err == nil {
		t.Error("a file was made of what is off")
	}
}

// Some daemons listen for streams.
func TestSyslogByStream(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	l := New(path, slog.New(slog.DiscardHandler))
	l.Failed(netip.MustParseAddr("198.51.100.66"), "admin")
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := io.ReadAll(conn); err != nil || !bytes.HasPrefix(got, []byte("<36>")) || !bytes.HasSuffix(got, []byte("authentication failed for admin\n")) {
		t.Errorf("got %q, %v", got, err)
	}
}

// While syslog is started again its socket is not there: a file in its place would be in its way.
func TestNoFileInASocketsPlace(t *testing.T) {
	t.Parallel()
	path, socket := syslog(t)
	var out bytes.Buffer
	logs := []*Log{New(path, slog.New(slog.NewTextHandler(&out, nil)))}
	for _, missing := range []string{"/dev/trunkline-none", "/run/trunkline-none"} {
		logs = append(logs, New(missing, slog.New(slog.NewTextHandler(&out, nil))))
	}
	logs[0].Failed(netip.MustParseAddr("198.51.100.66"), "admin")
	if err := errors.Join(socket.Close(), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	for _, l := range logs {
		for range 3 {
			l.Failed(netip.MustParseAddr("198.51.100.66"), "admin")
		}
		if _, err := os.Lstat(l.path); err == nil {
			t.Errorf("%s was made", l.path)
		}
	}
	if got := strings.Count(out.String(), "TRUNKLINE_AUTH_LOG"); got != len(logs) {
		t.Errorf("the log says it %d times, want once for each of %d: %s", got, len(logs), &out)
	}
}

// A syslog that does not read costs one write its time-out, and the next ones nothing.
func TestSyslogThatDoesNotRead(t *testing.T) {
	t.Parallel()
	path, _ := syslog(t)
	var out bytes.Buffer
	l := New(path, slog.New(slog.NewTextHandler(&out, nil)))
	now := time.Now()
	l.now = func() time.Time { return now } // it is never time to try again
	for range 50_000 {
		l.Failed(netip.MustParseAddr("198.51.100.66"), "admin")
	}
	if strings.Count(out.String(), "TRUNKLINE_AUTH_LOG") != 1 {
		t.Errorf("the log says %s", &out)
	}
}
