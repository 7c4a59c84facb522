package servers

import (
	"context"
	_ "embed" // for smtpdProgram
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// debianPython is the Python for which Debian and Ubuntu have packages.
const debianPython = "/usr/bin/python3"

const smtpdPatience = 10 * time.Second

//go:embed smtpd.py
var smtpdProgram []byte

// SMTPD is a private mail server, see smtpd.py. Its certificate is for localhost and 127.0.0.1.
type SMTPD struct {
	process         *process
	dir             string
	StartTLS        int    // the port at which TLS begins by STARTTLS
	Implicit        int    // the port of TLS from the beginning
	Login, Password string // the only ones that it knows
	CAFile          string // who has signed its certificate
}

// StartSMTPD starts a private mail server with all its files in dir, and returns once it takes connections.
func StartSMTPD(ctx context.Context, dir string) (*SMTPD, error) {
	if err := exec.CommandContext(ctx, debianPython, "-c", "import aiosmtpd").Run(); err != nil {
		return nil, errors.New("the mail server of the tests is not installed: `make test` installs it on Debian and Ubuntu; by hand: apt-get install python3-aiosmtpd")
	}
	s := &SMTPD{dir: dir, Login: "postmaster", Password: "s3cret-smtp"}
	authority, err := NewAuthority(dir)
	if err != nil {
		return nil, err
	}
	s.CAFile = authority.CAFile()
	certificate, key, err := authority.Issue(dir, "127.0.0.1", "localhost")
	if err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "smtpd.py")
	if err := os.WriteFile(program, smtpdProgram, 0o600); err != nil {
		return nil, err
	}
	logged := filepath.Join(dir, "smtpd.log")
	log, err := newLog(logged)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(debianPython, program, dir, certificate, key, s.Login, s.Password)
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = startProcess(cmd, syscall.SIGKILL); err != nil {
		return nil, err
	}
	if err := s.process.awaitReady(ctx, logged, "", s.listens); err != nil {
		return nil, fmt.Errorf("starting a private mail server: %w", errors.Join(err, s.Close()))
	}
	return s, nil
}

// listens says whether it takes connections, and at which ports.
func (s *SMTPD) listens(context.Context) bool {
	ports, err := os.ReadFile(filepath.Join(s.dir, "ports"))
	if err != nil {
		return false
	}
	n, err := fmt.Sscan(string(ports), &s.StartTLS, &s.Implicit)
	return err == nil && n == 2
}

// Mails are the mails that it has taken.
func (s *SMTPD) Mails() (mails []string, err error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "mail", "*.eml"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		mail, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		mails = append(mails, string(mail))
	}
	return mails, nil
}

// Log is the end of what it logged.
func (s *SMTPD) Log() string { return tail(filepath.Join(s.dir, "smtpd.log")) }

// Close stops it and waits until it is gone.
func (s *SMTPD) Close() error {
	return s.process.stop(smtpdPatience, syscall.SIGTERM, syscall.SIGKILL)
}
