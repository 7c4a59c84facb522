package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	"trunkline/internal/delivery/sftp"
	"trunkline/internal/pbxtest/servers"
)

const (
	// sentBytes is the size of the file that is sent.
	sentBytes = 512 << 20
	// sentCipher is what both sides encrypt with: the server knows no other.
	sentCipher = "aes128-gcm@openssh.com"
)

// sftp takes turns: a file is delivered by SFTP to a private sshd, then sent there by scp and synced, as a delivery is. The
// figure says how many times as fast ours is.
func (b *bench) sftp(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "trunkline-bench-sftp-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := servers.StartSSHD(ctx, dir, "Ciphers "+sentCipher)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	content, path, err := contentToSend(dir)
	if err != nil {
		return err
	}
	var f figures
	for i := range pairs {
		content.Name = fmt.Sprintf("ours-%d.csv", i)
		ours, err := deliverBySFTP(ctx, server, content)
		if err != nil {
			return err
		}
		theirs, err := sendByScp(ctx, server, path, fmt.Sprintf("theirs-%d.csv", i))
		if err != nil {
			return err
		}
		fmt.Printf("# %d MB by %s: %.2f s by SFTP, %.2f s by scp\n", content.Bytes>>20, sentCipher, ours.Seconds(), theirs.Seconds())
		f.add("sftp_vs_scp", theirs.Seconds()/ours.Seconds(), "ratio")
	}
	f.print()
	return nil
}

// contentToSend makes a file of lines, no two of which are the same.
func contentToSend(dir string) (content delivery.Content, path string, err error) {
	path = filepath.Join(dir, "calls.csv")
	file, err := os.Create(path)
	if err != nil {
		return content, "", err
	}
	sum := sha256.New()
	out := io.MultiWriter(file, sum)
	line := make([]byte, 0, 1<<20)
	for n := 0; content.Bytes < sentBytes; content.Bytes += int64(len(line)) {
		for line = line[:0]; len(line) < cap(line)-64; n++ {
			line = strconv.AppendInt(append(line, "2026-11-28 00:15:00,+4930"...), int64(n)*2_654_435_761, 10)
			line = append(strconv.AppendInt(append(line, ','), int64(n%3600), 10), '\n')
		}
		if _, err := out.Write(line); err != nil {
			return content, "", errors.Join(err, file.Close())
		}
	}
	content.SHA256 = hex.EncodeToString(sum.Sum(nil))
	content.Open = func(context.Context) (io.ReadSeekCloser, error) { return os.Open(path) }
	return content, path, errors.Join(file.Sync(), file.Close())
}

func deliverBySFTP(ctx context.Context, server *servers.SSHD, content delivery.Content) (took time.Duration, err error) {
	host, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		return 0, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return 0, err
	}
	guard := dial.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	settings := sftp.Settings{Host: host, Port: number, Login: server.Login, HostKey: server.HostKey}
	began := time.Now()
	_, err = sftp.New(guard, settings, sftp.Credentials{PrivateKey: server.Key}).Deliver(ctx, content)
	took = time.Since(began)
	return took, errors.Join(err, os.Remove(filepath.Join(server.Files(), content.Name)))
}

func sendByScp(ctx context.Context, server *servers.SSHD, path, name string) (took time.Duration, err error) {
	host, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		return 0, err
	}
	there := filepath.Join(server.Files(), name)
	began := time.Now()
	for _, command := range [][]string{
		{"scp", "-q", "-P", port, "-i", server.KeyFile(), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", path, server.Login + "@" + host + ":" + name},
		{"sync", there},
	} {
		if said, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%s: %w: %s", command[0], err, said)
		}
	}
	took = time.Since(began)
	return took, os.Remove(there)
}
