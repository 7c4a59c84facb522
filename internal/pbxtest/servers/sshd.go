package servers

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// debianSSHD is where Debian and Ubuntu keep sshd, off the PATH of whoever is not root.
	debianSSHD = "/usr/sbin/sshd"
	// sshdEmpty is a folder that an sshd which root runs wants to be there.
	sshdEmpty    = "/run/sshd"
	sshdPatience = 10 * time.Second
)

// sshdConfig lets the user that runs it log in by one key, and does nothing but SFTP and commands.
const sshdConfig = `
ListenAddress %[2]s
HostKey %[1]s/host
PidFile %[1]s/sshd.pid
AuthorizedKeysFile %[1]s/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
AllowUsers %[3]s
MaxStartups 1000
Subsystem sftp internal-sftp -d %[1]s/files
%[4]s
`

// SSHD is a private sshd that one key opens.
type SSHD struct {
	process *process
	dir     string
	listen  string
	Login   string // the only one that it knows
	Key     string // that opens it, as ssh-keygen writes private keys
	HostKey string // as known_hosts has it
}

// StartSSHD starts a private sshd of these further lines of configuration, with all its files in dir, and returns once it takes
// connections.
func StartSSHD(ctx context.Context, dir, more string) (*SSHD, error) {
	program, err := findSSHD()
	if err != nil {
		return nil, err
	}
	for attempt := range portAttempts {
		var s *SSHD
		s, err = startSSHD(ctx, program, filepath.Join(dir, strconv.Itoa(attempt)), more)
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, fmt.Errorf("starting a private sshd: %w", err)
}

// findSSHD returns the program's path, or says what to install.
func findSSHD() (string, error) {
	if path, err := exec.LookPath("sshd"); err == nil {
		return filepath.Abs(path)
	}
	if _, err := os.Stat(debianSSHD); err == nil {
		return debianSSHD, nil
	}
	return "", errors.New("sshd is not installed: `make test` installs it on Debian and Ubuntu; by hand: apt-get install openssh-server; elsewhere install OpenSSH so that sshd is in PATH")
}

// Addr is the host:port at which it listens.
func (s *SSHD) Addr() string { return s.listen }

// Files is the folder in which whoever logs in begins.
func (s *SSHD) Files() string { return filepath.Join(s.dir, "files") }

// KeyFile is the file that holds Key.
func (s *SSHD) KeyFile() string { return filepath.Join(s.dir, "key") }

// Log is the end of what it logged.
func (s *SSHD) Log() string { return tail(filepath.Join(s.dir, "sshd.log")) }

// Close stops it and waits until it is gone.
func (s *SSHD) Close() error { return s.process.stop(sshdPatience, syscall.SIGTERM, syscall.SIGKILL) }

func startSSHD(ctx context.Context, program, dir, more string) (*SSHD, error) {
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &SSHD{dir: dir, listen: fmt.Sprintf("127.0.0.1:%d", port), Login: me.Username}
	if err := s.writeFiles(more); err != nil {
		return nil, fmt.Errorf("writing sshd's configuration: %w", err)
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll(sshdEmpty, 0o755); err != nil {
			return nil, err
		}
	}
	logged := filepath.Join(dir, "sshd.log")
	log, err := newLog(logged)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, "-D", "-e", "-f", filepath.Join(dir, "sshd.conf"))
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = startProcess(cmd, syscall.SIGTERM); err != nil {
		return nil, err
	}
	if err := s.process.awaitReady(ctx, logged, "Address already in use", s.answers); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// writeFiles writes its configuration, its own key and the one that opens it.
func (s *SSHD) writeFiles(more string) error {
	host, hostKey, err := newKeyPair()
	if err != nil {
		return err
	}
	key, authorized, err := newKeyPair()
	if err != nil {
		return err
	}
	s.Key, s.HostKey = key, strings.TrimSpace(hostKey)
	if err := os.MkdirAll(s.Files(), 0o700); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"sshd.conf": fmt.Sprintf(sshdConfig, s.dir, s.listen, s.Login, more), "host": host, "key": key, "authorized": authorized,
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// newKeyPair is a key for SSH, and what others know it by.
func newKeyPair() (private, public string, err error) {
	open, secret, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", "", err
	}
	block, err1 := ssh.MarshalPrivateKey(secret, "")
	key, err2 := ssh.NewPublicKey(open)
	if err := errors.Join(err1, err2); err != nil {
		return "", "", err
	}
	return string(pem.EncodeToMemory(block)), string(ssh.MarshalAuthorizedKey(key)), nil
}

// answers says whether this very sshd takes connections there: it writes its pid once the port is its own.
func (s *SSHD) answers(ctx context.Context) bool {
	pid, err := os.ReadFile(filepath.Join(s.dir, "sshd.pid"))
	if err != nil || strings.TrimSpace(string(pid)) != strconv.Itoa(s.process.pid) {
		return false
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.listen)
	if err != nil {
		return false
	}
	greeting, err := bufio.NewReader(conn).ReadString('\n')
	return errors.Join(err, conn.Close()) == nil && strings.HasPrefix(greeting, "SSH-2.0-")
}
