package sftp_test

import (
	"crypto/ed25519"
	"encoding/pem"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"trunkline/internal/delivery/sftp"
	"trunkline/internal/fault"
)

const someKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1l2aBtlrMDIh+lFzo4XI7kD4mRBVgQ4qCnUCxdcTAL"

func TestSettings(t *testing.T) {
	t.Parallel()
	good := sftp.Settings{Host: "files.example", Login: "billing"}
	for wrong, change := range map[string]func(*sftp.Settings){
		"":              func(*sftp.Settings) {},
		" ":             func(s *sftp.Settings) { s.Folder, s.Port, s.HostKey = "/srv/cdr/", 2222, someKey+" root@files" },
		"  ":            func(s *sftp.Settings) { s.Host, s.Folder = "2001:db8::1", "/" },
		"host":          func(s *sftp.Settings) { s.Host = "files.example:22" },
		"host: ":        func(s *sftp.Settings) { s.Host = "files .example" },
		"port":          func(s *sftp.Settings) { s.Port = 70000 },
		"login":         func(s *sftp.Settings) { s.Login = "" },
		"login: ":       func(s *sftp.Settings) { s.Login = "a\nb" },
		"folder":        func(s *sftp.Settings) { s.Folder = "../x" },
		"folder: ":      func(s *sftp.Settings) { s.Folder = "/a/../../x" },
		"host_key":      func(s *sftp.Settings) { s.HostKey = "files.example " + someKey },
		"host_key: ":    func(s *sftp.Settings) { s.HostKey = "ssh-ed25519 AAAA" },
		"host_key: is ": func(s *sftp.Settings) { s.HostKey = "SHA256:abc" },
	} {
		s := good
		change(&s)
		err := s.Check()
		if name := strings.TrimRight(strings.TrimSpace(wrong), ": is"); name == "" && err != nil || name != "" && (err == nil || !strings.Contains(err.Error(), name)) {
			t.Errorf("%q: got %v", wrong, err)
		}
	}
}

// keyOf is a private key as ssh-keygen writes it.
func keyOf(t testing.TB, passphrase string) string {
	t.Helper()
	_, secret, err := ed25519.GenerateKey(nil)
	must(t, err)
	block, err := ssh.MarshalPrivateKey(secret, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(secret, "", []byte(passphrase))
	}
	must(t, err)
	return string(pem.EncodeToMemory(block))
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	plain, locked := keyOf(t, ""), keyOf(t, "hunter2")
	for _, tc := range []struct {
		sftp.Credentials
		wrong string
	}{
		{sftp.Credentials{LoginPassword: "x"}, ""},
		{sftp.Credentials{PrivateKey: plain}, ""},
		{sftp.Credentials{PrivateKey: strings.ReplaceAll(plain, "\n", "\r\n")}, ""},
		{sftp.Credentials{PrivateKey: locked, Passphrase: "hunter2"}, ""},
		{sftp.Credentials{}, "login_password or private_key"},
		{sftp.Credentials{PrivateKey: locked}, "passphrase"},
		{sftp.Credentials{PrivateKey: locked, Passphrase: "hunter3"}, "passphrase"},
		{sftp.Credentials{PrivateKey: "hunter2"}, "private_key"},
		{sftp.Credentials{PrivateKey: plain[:len(plain)/2]}, "private_key"},
	} {
		err := tc.Check()
		if tc.wrong == "" && err != nil || tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)) {
			t.Errorf("got %v, want it to speak of %q", err, tc.wrong)
		}
		if err != nil && strings.Contains(err.Error(), "hunter") {
			t.Errorf("a secret is in %v", err)
		}
	}
}

// Whatever the key and the settings, they are refused in words that name the parameter, or can be used.
func FuzzCheck(f *testing.F) {
	f.Add(keyOf(f, ""), "", someKey, "files.example", "cdr")
	f.Add(keyOf(f, "hunter2"), "hunter2", someKey, "203.0.113.7", "/a/b")
	f.Add("-----BEGIN OPENSSH PRIVATE KEY-----\n", "x", "ecdsa-sha2-nistp256 AAAA", "[::1]", "..")
	f.Fuzz(func(t *testing.T, key, passphrase, hostKey, host, folder string) {
		for _, err := range []error{
			sftp.Credentials{PrivateKey: key, Passphrase: passphrase}.Check(),
			sftp.Settings{Host: host, Login: "x", Folder: folder, HostKey: hostKey}.Check(),
		} {
			if err != nil && !fault.Is(err, fault.InvalidRequest) && !fault.Is(err, fault.MissingParameters) {
				t.Errorf("got %v", err)
			}
		}
	})
}
