package sftp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"trunkline/internal/delivery/dial"
	"trunkline/internal/fault"
)

// How long a server may be silent, at most: while we agree on keys and log in, and later while it has something to answer.
const (
	loginPatience = 20 * time.Second
	silence       = 2 * time.Minute
)

// fsyncAs is the extension by which a server brings a file to its disk.
const fsyncAs = "fsync@openssh.com"

// keyTypes are those that we would have pinned, the first that the server has.
var keyTypes = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
}

// errUnpinned ends a connection before anything is sent to a server that nobody has vouched for.
var errUnpinned = errors.New("no key is pinned")

// patient is a connection that fails when the other side is silent for too long.
type patient struct {
	net.Conn
	silence atomic.Int64
}

// Read implements net.Conn.
func (p *patient) Read(into []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(time.Duration(p.silence.Load()))); err != nil {
		return 0, err
	}
	return p.Conn.Read(into)
}

// Write implements net.Conn.
func (p *patient) Write(from []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(time.Duration(p.silence.Load()))); err != nil {
		return 0, err
	}
	return p.Conn.Write(from)
}

// connection is a server that we have logged in to.
type connection struct {
	*sftp.Client
	ssh  *ssh.Client
	stop func() bool
}

// Close ends it, however the server takes that.
func (c *connection) Close() error {
	c.stop()
	return c.ssh.Close()
}

// connect logs in. If ctx ends, so does the connection. seen gets the server's key.
func connect(ctx context.Context, guard dial.Guard, s Settings, c Credentials, seen func(ssh.PublicKey)) (*connection, error) {
	config, err := configOf(s, c, seen)
	if err != nil {
		return nil, err
	}
	raw, err := guard.Dial(ctx, "tcp", s.address())
	if err != nil {
		return nil, err
	}
	conn := &patient{Conn: raw}
	conn.silence.Store(int64(loginPatience))
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	logInUntil := time.AfterFunc(2*loginPatience, func() { _ = raw.Close() }) // also of a server that says a little each time
	defer logInUntil.Stop()
	client, err := open(conn, s, config)
	if err != nil {
		stop()
		return nil, errors.Join(err, raw.Close())
	}
	conn.silence.Store(int64(silence))
	client.stop = stop
	return client, nil
}

// configOf is how we log in.
func configOf(s Settings, c Credentials, seen func(ssh.PublicKey)) (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{User: s.Login, HostKeyAlgorithms: keyTypes, HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
		seen(key)
		return errUnpinned
	}}
	if s.HostKey == "" {
		return config, nil
	}
	pinned, err := s.pinned()
	if err != nil {
		return nil, err
	}
	config.HostKeyAlgorithms = []string{pinned.Type()}
	if pinned.Type() == ssh.KeyAlgoRSA {
		config.HostKeyAlgorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	config.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
		seen(key)
		if !bytes.Equal(key.Marshal(), pinned.Marshal()) {
			return errWrongKey(key)
		}
		return nil
	}
	config.Auth, err = c.methods()
	return config, err
}

func errWrongKey(key ssh.PublicKey) error {
	return fault.Errorf(fault.DeliveryRefused,
		"the server has another key (%s) than the one that is pinned (host_key), so that it may be another server: nothing was sent to it. If its owner says that the key was changed, put the new one into host_key",
		ssh.FingerprintSHA256(key))
}

// open agrees on keys, logs in and begins to talk SFTP.
func open(conn net.Conn, s Settings, config *ssh.ClientConfig) (*connection, error) {
	transport, channels, requests, err := ssh.NewClientConn(conn, s.address(), config)
	if err != nil {
		return nil, err
	}
	client := ssh.NewClient(transport, channels, requests)
	files, err := sftp.NewClient(client, sftp.UseConcurrentWrites(true))
	if err != nil {
		return nil, errors.Join(noSFTP(err), client.Close())
	}
	return &connection{Client: files, ssh: client}, nil
}

func noSFTP(err error) error {
	return &fault.Error{Code: fault.DeliveryRefused, Passes: true, Cause: err, Message: "the server lets us log in and does not speak SFTP with us; have its owner allow the subsystem sftp to this login"}
}
