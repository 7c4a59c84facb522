// Package authlog writes each failed login as the line that FusionPBX itself writes, which fail2ban's
// FusionPBX jail reads from syslog's auth facility. It knows nothing of who logs in, or how.
package authlog

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
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
	// writeTimeout bounds one write: a login that failed is answered all the same.
	writeTimeout = 250 * time.Millisecond
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
	trouble bool // the last write failed, and the log has said so
}

// New returns a log that writes to path: a Unix datagram socket such as /dev/log, a file, or Off.
// Nothing is opened before the first line, and each line opens it anew: failed logins are few, and
// neither logrotate nor a restarted syslog is then missed.
func New(path string, log *slog.Logger) *Log {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return &Log{path: path, log: log, host: host, now: time.Now}
}

// Failed writes that a login failed. name is the caller's own text: of anything but letters, digits and
// @ . _ + - an underscore is left, since a name could otherwise forge a line about another address.
func (l *Log) Failed(addr netip.Addr, name string) {
	if l.path == Off {
		return
	}
	err := l.write(Line(addr, name))
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && !l.trouble:
		l.log.Warn("failed logins are not written for fail2ban; correct TRUNKLINE_AUTH_LOG, or set it to none", "path", l.path, "error", err)
	case err == nil && l.trouble:
		l.log.Info("failed logins are written for fail2ban again", "path", l.path)
	}
	l.trouble = err != nil
}

// Line is the message, without time and host.
func Line(addr netip.Addr, name string) string {
	return fmt.Sprintf("%s: [%s] authentication failed for %s", tag, addr.Unmap().WithZone(""), cleaned(name))
}

func cleaned(name string) string {
	clean := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune("@._+-", c):
			return c
		}
		return '_'
	}, name)
	if clean == "" {
		return "_"
	}
	return clean[:min(len(clean), maxName)]
}

func (l *Log) write(line string) error {
	stamp := l.now().Format(time.Stamp)
	info, err := os.Stat(l.path)
	if err == nil && info.Mode().Type() == os.ModeSocket {
		conn, err := net.DialTimeout("unixgram", l.path, writeTimeout)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		_, err = fmt.Fprintf(conn, "<%d>%s %s", priority, stamp, line)
		return err
	}
	if err != nil && strings.HasPrefix(l.path, "/dev/") {
		return err // there is no syslog; a file in its place would be no log
	}
	file, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%s %s %s\n", stamp, l.host, line)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}
