package sftp_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	"trunkline/internal/delivery/sftp"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

// loopback lets the tests' own servers be reached.
var loopback = dial.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

// readable is a file in memory.
type readable struct{ *bytes.Reader }

func (readable) Close() error { return nil }

func content(name, text string) delivery.Content {
	sum := sha256.Sum256([]byte(text))
	return delivery.Content{
		Name: name, Bytes: int64(len(text)), SHA256: hex.EncodeToString(sum[:]),
		Open: func(context.Context) (io.ReadSeekCloser, error) { return readable{bytes.NewReader([]byte(text))}, nil },
	}
}

// to are the settings and credentials of a server.
func to(t *testing.T, s *servers.SSHD, addr string) (sftp.Settings, sftp.Credentials) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	must(t, err)
	number, err := strconv.Atoi(port)
	must(t, err)
	return sftp.Settings{Host: host, Port: number, Login: s.Login, HostKey: s.HostKey}, sftp.Credentials{PrivateKey: s.Key}
}

// names are all files below a folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			all = append(all, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	}))
	return all
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	server := pbxtest.StartSSHD(t, "")
	settings, credentials := to(t, server, server.Addr())
	sender := func() *sftp.Sender { return sftp.New(loopback, settings, credentials) }
	large := strings.Repeat("a call of many\n", 1<<18)
	// Folders of a file's name are made; the destination's own, which may be misspelt, only where that is said.
	if _, err := sender().Deliver(t.Context(), content("nightly/2026/calls.csv", "a call\n")); err != nil {
		t.Errorf("with folders in its name: %v", err)
	}
	settings.Folder = "billing"
	for _, name := range []string{"calls.csv", "2026/calls.csv"} {
		_, err := sender().Deliver(t.Context(), content(name, large))
		if !fault.Is(err, fault.DeliveryRefused) || !strings.Contains(err.Error(), "no folder billing") || !strings.Contains(err.Error(), "make_folders") {
			t.Errorf("%s without the destination's folder: got %v", name, err)
		}
	}
	settings.MakeFolders = true
	where := server.Login + "@" + server.Addr() + ":billing/2026/11/calls.csv"
	for _, want := range []delivery.Receipt{{Where: where}, {Where: where, There: true}} {
		got, err := sender().Deliver(t.Context(), content("2026/11/calls.csv", large))
		if err != nil || got != want {
			t.Fatalf("got %+v, %v\n%s", got, err, server.Log())
		}
	}
	if _, err := sender().Deliver(t.Context(), content("empty.csv", "")); err != nil {
		t.Errorf("an empty file: %v", err)
	}
	for _, other := range []string{"other\n", strings.Repeat("A call of many\n", 1<<18)} {
		if _, err := sender().Deliver(t.Context(), content("2026/11/calls.csv", other)); !fault.Is(err, fault.Conflict) || fault.Passes(err) {
			t.Errorf("another file: got %v", err)
		}
	}
	if _, err := sender().Deliver(t.Context(), content("2026/11", "x")); !fault.Is(err, fault.Conflict) {
		t.Errorf("a folder of the name: got %v", err)
	}
	if _, err := sender().Deliver(t.Context(), content("empty.csv/x", "x")); !fault.Is(err, fault.Conflict) {
		t.Errorf("a file where a folder is to be: got %v", err)
	}
	for _, name := range []string{"../x", "/etc/x", "a/../../x"} {
		if _, err := sender().Deliver(t.Context(), content(name, "x")); !fault.Is(err, fault.InvalidRequest) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(server.Files(), "billing/2026/11/calls.csv")); err != nil || string(got) != large {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if all := names(t, server.Files()); len(all) != 3 {
		t.Errorf("left behind: %v", all)
	}
}

// A server that is not the one whose key is pinned gets nothing.
func TestHostKeys(t *testing.T) {
	t.Parallel()
	server, other := pbxtest.StartSSHD(t, ""), pbxtest.StartSSHD(t, "")
	settings, credentials := to(t, server, server.Addr())
	settings.HostKey = ""
	if _, err := sftp.New(loopback, settings, credentials).Deliver(t.Context(), content("x", "x")); !fault.Is(err, fault.DeliveryRefused) || fault.Passes(err) || !strings.Contains(err.Error(), "test") {
		t.Errorf("no key is pinned: got %v", err)
	}
	report, err := sftp.New(loopback, settings, credentials).Test(t.Context())
	if err != nil || report.HostKey != server.HostKey || !strings.Contains(report.Message, "nothing was sent") {
		t.Errorf("got %+v, %v", report, err)
	}
	if strings.Contains(server.Log(), "Accepted") {
		t.Error("it was logged in to a server that nobody vouched for")
	}
	settings.HostKey = report.HostKey
	if report, err = sftp.New(loopback, settings, credentials).Test(t.Context()); err != nil || report.HostKey != server.HostKey || len(names(t, server.Files())) > 0 {
		t.Errorf("got %+v, %v, left %v", report, err, names(t, server.Files()))
	}
	for _, wrong := range []string{
		other.HostKey, ecdsaKey(t), // of the same type, and of another
	} {
		settings.HostKey = wrong
		must(t, settings.Check())
		_, err := sftp.New(loopback, settings, credentials).Deliver(t.Context(), content("x", "x"))
		if !fault.Is(err, fault.DeliveryRefused) || fault.Passes(err) || !strings.Contains(err.Error(), "host_key") {
			t.Errorf("a wrong key: got %v", err)
		}
		if _, err := sftp.New(loopback, settings, credentials).Test(t.Context()); !fault.Is(err, fault.DeliveryRefused) {
			t.Errorf("a wrong key: the test says %v", err)
		}
	}
}

// ecdsaKey is the key of some server.
func ecdsaKey(t *testing.T) string {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	key, err := ssh.NewPublicKey(&secret.PublicKey)
	must(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	server, noSFTP := pbxtest.StartSSHD(t, ""), pbxtest.StartSSHD(t, "ForceCommand /bin/false")
	settings, credentials := to(t, server, server.Addr())
	deliver := func(s sftp.Settings, c sftp.Credentials, g dial.Guard) error {
		_, err := sftp.New(g, s, c).Deliver(t.Context(), content("x", "x"))
		return err
	}
	wrongKey, wrongLogin, nowhere := credentials, settings, settings
	wrongKey.PrivateKey = noSFTP.Key
	wrongLogin.Login = "nobody-of-that-name"
	nowhere.Port = freePort(t)
	commands, commandsKey := to(t, noSFTP, noSFTP.Addr())
	for what, tc := range map[string]struct {
		err    error
		code   fault.Code
		passes bool
	}{
		"a wrong key":             {deliver(settings, wrongKey, loopback), fault.DeliveryRefused, false},
		"a wrong password":        {deliver(settings, sftp.Credentials{LoginPassword: "hunter2-wrong"}, loopback), fault.DeliveryRefused, false},
		"a wrong login":           {deliver(wrongLogin, credentials, loopback), fault.DeliveryRefused, false},
		"a server without SFTP":   {deliver(commands, commandsKey, loopback), fault.DeliveryRefused, true},
		"nobody listens":          {deliver(nowhere, credentials, loopback), fault.Unavailable, true},
		"an address of ours":      {deliver(settings, credentials, dial.Guard{}), fault.Forbidden, false},
		"an address for metadata": {deliver(sftp.Settings{Host: "169.254.169.254", Login: "x", HostKey: settings.HostKey}, credentials, dial.Guard{}), fault.Forbidden, false},
	} {
		if !fault.Is(tc.err, tc.code) || fault.Passes(tc.err) != tc.passes {
			t.Errorf("%s: got %v, passes %t", what, tc.err, fault.Passes(tc.err))
		} else if strings.Contains(tc.err.Error(), "hunter2") {
			t.Errorf("%s: a password is in %v", what, tc.err)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	_, port, err := net.SplitHostPort(pbxtest.FreeAddr(t))
	must(t, err)
	number, err := strconv.Atoi(port)
	must(t, err)
	return number
}

// What an earlier attempt has left of the file is in nobody's way, and attempts at the same time make one whole file.
func TestPartsOfOtherAttempts(t *testing.T) {
	t.Parallel()
	server := pbxtest.StartSSHD(t, "")
	settings, credentials := to(t, server, server.Addr())
	text := strings.Repeat("a call\n", 1<<18)
	of := content("calls.csv", text)
	must(t, os.WriteFile(filepath.Join(server.Files(), of.PartName("calls.csv")), []byte("half of it"), 0o600))
	var attempts sync.WaitGroup
	for range 6 {
		attempts.Go(func() {
			if _, err := sftp.New(loopback, settings, credentials).Deliver(t.Context(), of); err != nil && !fault.Passes(err) {
				t.Error(err)
			}
			if got, err := os.ReadFile(filepath.Join(server.Files(), "calls.csv")); err == nil && string(got) != text {
				t.Errorf("the file is not whole: %d bytes", len(got))
			}
		})
	}
	attempts.Wait()
	if _, err := sftp.New(loopback, settings, credentials).Deliver(t.Context(), of); err != nil {
		t.Error(err)
	}
	if all := names(t, server.Files()); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}
}

// A server whose disk is full does not have the file, and is tried again.
func TestFullServer(t *testing.T) {
	t.Parallel()
	server := pbxtest.StartSSHD(t, "")
	settings, credentials := to(t, server, server.Addr())
	of := content("calls.csv", strings.Repeat("a call\n", 1<<18))
	must(t, os.Symlink("/dev/full", filepath.Join(server.Files(), of.PartName("calls.csv"))))
	if _, err := sftp.New(loopback, settings, credentials).Deliver(t.Context(), of); !fault.Is(err, fault.Unavailable) || !fault.Passes(err) || !strings.Contains(err.Error(), "full") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(server.Files(), "calls.csv")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
}

// A file of ours that is not as it was written gets no name.
func TestDamagedContent(t *testing.T) {
	t.Parallel()
	server := pbxtest.StartSSHD(t, "")
	settings, credentials := to(t, server, server.Addr())
	damaged, broken := content("calls.csv", "one\n"), content("calls.csv", "one\n")
	damaged.Open = content("", "0ne\n").Open
	broken.Open = func(context.Context) (io.ReadSeekCloser, error) { return nil, errors.New("no such file") }
	for _, of := range []delivery.Content{damaged, broken} {
		if _, err := sftp.New(loopback, settings, credentials).Deliver(t.Context(), of); !fault.Is(err, fault.ServerError) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := os.Stat(filepath.Join(server.Files(), "calls.csv")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was delivered: %v", err)
	}
}

// A server that is silent, before or after the login, or in the middle of a file, holds nobody for longer than ctx allows.
func TestSilentServers(t *testing.T) {
	t.Parallel()
	server := pbxtest.StartSSHD(t, "")
	for what, after := range map[string]int64{"from the beginning": 0, "after its greeting": 30, "at the login": 1500, "in the middle": 1 << 20} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			settings, credentials := to(t, server, silentAfter(t, server.Addr(), after))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			began := time.Now()
			_, err := sftp.New(loopback, settings, credentials).Deliver(ctx, content("silent.csv", strings.Repeat("a call\n", 1<<20)))
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
				t.Errorf("got %v after %s", err, time.Since(began))
			}
		})
	}
}

// silentAfter passes so many bytes on to a server, and then nothing in either direction, without closing the connection.
func silentAfter(t *testing.T, to string, bytes int64) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	var serving sync.WaitGroup
	t.Cleanup(func() { close(done); must(t, listener.Close()); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				if bytes > 0 {
					passOn(conn, to, bytes)
				}
				<-done
			})
		}
	})
	return listener.Addr().String()
}

func passOn(conn net.Conn, to string, bytes int64) {
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close() // what it answers by then is passed on
	go func() { _, _ = io.Copy(conn, server) }()
	_, _ = io.CopyN(server, conn, bytes)
}

var must = pbxtest.Must
