// Package authlog writes each failed login as the line that FusionPBX itself writes, which fail2ban's
// FusionPBX jail reads from syslog's auth facility. It knows nothing of who logs in, or how.
package authlog

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Off is the destination of a Log that writes nothing.
const Off = "none"

const (
	// priority is facility auth (4) and severity warning (4), as RFC 3164 writes them together.
	priority = 4<<3 | 4
	// tag is the program's name in the line. It has no process id behind it: FusionPBX's own has none,
	// and the jail's expression has the bracket follow the colon.
	tag = "FusionPBX"
	// maxName bounds the name in the line, in bytes.
	maxName = 64
	// writeTimeout bounds one write, for which the answer to a failed login waits.
	writeTimeout = 250 * time.Millisecond
	// retryInterval is how long nothing is written after a write that failed: a syslog that does not read
	// must not cost each request the time-out.
	retryInterval = time.Second
	// fileMode is for a file that is not there yet: fail2ban runs as root.
	fileMode = 0o640
)

// Log writes failed logins to syslog's socket or to a file. It is safe for concurrent use.
type Log struct {
	path string
	log  *slog.Logger
	host string
	now  func() time.Time

	mu      sync.Mutex
	trouble bool      // the last write failed, and the log has said so
	retryAt time.Time // with trouble: when it is tried again
	socket  bool      // the path was a socket when last looked at
}

// New returns a log that writes to path: a Unix socket such as /dev/log, a file, or Off.
// Nothing is opened before the first line, and each line opens it anew: failed logins are few, and
// logrotate or a restarted syslog is then noticed.
func New(path string, log *slog.Logger) *Log {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return &Log{path: path, log: log, host: host, now: time.Now}
}

// Failed writes that a login failed. name is the caller's own text: anything in it but letters, digits and
// @ . _ + - becomes an underscore, since it could otherwise forge a line about another address.
func (l *Log) Failed(addr netip.Addr, name string) {
	if l.path == Off {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble && l.now().Before(l.retryAt) {
		return
	}
	err := l.write(message(addr, name))
	switch {
	case err != nil && !l.trouble:
		l.log.Warn("failed logins are not written for fail2ban; correct TRUNKLINE_AUTH_LOG, or set it to none", "path", l.path, "error", err)
	case err == nil && l.trouble:
		l.log.Info("failed logins are written for fail2ban again", "path", l.path)
	}
	l.trouble, l.retryAt = err != nil, l.now().Add(retryInterval)
}

// message is the line, without time and host.
func message(addr netip.Addr, name string) string {
	return fmt.Sprintf("%s: [%s] authentication failed for %s", tag, addr.Unmap().WithZone(""), cleaned(name))
}

// notInNames is what is not written as the caller wrote it.
var notInNames = regexp.MustCompile(`[^a-zA-Z0-9@._+-]`)

func cleaned(name string) string {
	clean := notInNames.ReplaceAllString(name, "_")
	return cmp.Or(clean[:min(len(clean), maxName)], "_")
}

func (l *Log) write(line string) error {
	stamp := l.now().Format(time.Stamp)
	info, err := os.Stat(l.path)
	switch {
	case err == nil:
		l.socket = info.Mode().Type() == fs.ModeSocket
	case l.socket || slices.ContainsFunc(socketFolders, func(folder string) bool { return strings.HasPrefix(l.path, folder) }):
		return err // a file there would be read by nobody, and would be in the way of syslog's socket
	}
	if l.socket {
		return writeSocket(l.path, fmt.Sprintf("<%d>%s %s", priority, stamp, line))
	}
	file, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%s %s %s\n", stamp, l.host, line)
	return errors.Join(err, file.Close())
}

// socketFolders hold sockets: a path in them that does not exist is a missing socket, not a new file.
var socketFolders = []string{"/dev/", "/run/", "/var/run/"}

// writeSocket sends the message as a datagram, or with a line ending to a syslog that listens for streams.
func writeSocket(path, message string) error {
	conn, err := net.DialTimeout("unixgram", path, writeTimeout)
	if errors.Is(err, syscall.EPROTOTYPE) {
		message += "\n"
		conn, err = net.DialTimeout("unix", path, writeTimeout)
	}
	if err != nil {
		return err
	}
	err = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = io.WriteString(conn, message)
	}
	return errors.Join(err, conn.Close())
}
