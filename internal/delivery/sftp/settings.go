package sftp

import (
	"cmp"
	"errors"
	"net"
	"path"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"trunkline/internal/delivery"
	"trunkline/internal/fault"
)

// Settings are how a server is reached.
type Settings struct {
	Host        string `json:"host" about:"The server's name or address."`
	Port        int    `json:"port,omitempty" about:"Left out: 22."`
	Login       string `json:"login" about:"As whom."`
	Folder      string `json:"folder,omitempty" about:"At the server; left out: the one in which the login begins."`
	MakeFolders bool   `json:"make_folders,omitempty" about:"true: the folder is made if it is missing. Folders that files' names have are made in any case."`
	// HostKey is the server's key as known_hosts has it, without the host's name.
	HostKey string `json:"host_key,omitempty" about:"The server's key as known_hosts has it (ssh-keyscan), without the host's name. Left out: the test pins the one that it finds; nothing is delivered before."`
}

const (
	usualPort = 22
	maxText   = 255 // of a login or folder, in bytes
)

// Check refuses settings that cannot be. The error names the parameter.
func (s Settings) Check() error {
	if s.Login == "" {
		return fault.Missing("login")
	}
	if err := cmp.Or(
		delivery.CheckHost("host", s.Host), delivery.CheckPort("port", s.Port), delivery.CheckLine("login", s.Login, maxText), checkFolder(s.Folder),
	); err != nil {
		return err
	}
	if s.HostKey != "" {
		_, err := s.pinned()
		return err
	}
	return nil
}

// checkFolder lets a folder begin with /: the server says where that is.
func checkFolder(folder string) error {
	relative := strings.TrimSuffix(strings.TrimPrefix(folder, "/"), "/")
	if relative == "" {
		return nil
	}
	if err := delivery.CheckFolder(relative); err != nil {
		return fault.Invalid("folder", "%w", err)
	}
	return nil
}

// Reached says where the credentials are sent.
func (s Settings) Reached() string { return s.Login + "@" + s.address() }

func (s Settings) address() string {
	return net.JoinHostPort(s.Host, strconv.Itoa(cmp.Or(s.Port, usualPort)))
}

// pinned is the key that the server has to have. The error names the parameter.
func (s Settings) pinned() (ssh.PublicKey, error) {
	fields := strings.Fields(s.HostKey)
	if len(fields) > 1 && strings.HasPrefix(fields[0], "ssh-") || len(fields) > 1 && strings.HasPrefix(fields[0], "ecdsa-") || len(fields) > 1 && strings.HasPrefix(fields[0], "sk-") {
		if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(fields[0] + " " + fields[1])); err == nil {
			return key, nil
		}
	}
	return nil, fault.Invalid("host_key", "is not a server's key; write its type and the key itself, such as ssh-ed25519 AAAA..., as ssh-keyscan prints them behind the host's name")
}

// Fingerprint is that of a server's key as known_hosts has it, as people compare them: SHA256:... It is "" of what is no key.
func Fingerprint(hostKey string) string {
	key, err := Settings{HostKey: hostKey}.pinned()
	if err != nil {
		return ""
	}
	return ssh.FingerprintSHA256(key)
}

// in is the path at the server of a name.
func (s Settings) in(name string) string { return path.Join(s.Folder, name) }

// Credentials are by what we log in: a password, a key, or both.
type Credentials struct {
	LoginPassword string `json:"login_password,omitempty" about:"The login's password."`
	PrivateKey    string `json:"private_key,omitempty" lines:"true" about:"In place of a password: a private key as ssh-keygen writes it."`
	Passphrase    string `json:"passphrase,omitempty" about:"That of the private key, if it has one."`
}

// Check refuses credentials that cannot be used. The error names the parameter, and holds nothing of them.
func (c Credentials) Check() error {
	if c.LoginPassword == "" && c.PrivateKey == "" {
		return fault.Missing("login_password or private_key")
	}
	_, err := c.methods()
	return err
}

// methods are the ways to log in.
func (c Credentials) methods() (methods []ssh.AuthMethod, err error) {
	if c.PrivateKey != "" {
		signer, err := c.signer()
		if err != nil {
			return nil, err
		}
		methods = append(methods, ssh.PublicKeys(signer))
	}
	if c.LoginPassword != "" {
		methods = append(methods, ssh.Password(c.LoginPassword), ssh.KeyboardInteractive(c.answer))
	}
	return methods, nil
}

// answer is for servers that ask for the password in a dialogue. One that asks for anything else is answered nothing.
func (c Credentials) answer(_, _ string, questions []string, shown []bool) ([]string, error) {
	answers := make([]string, len(questions))
	if len(questions) == 1 && !shown[0] {
		answers[0] = c.LoginPassword
	}
	return answers, nil
}

func (c Credentials) signer() (ssh.Signer, error) {
	text := []byte(strings.ReplaceAll(c.PrivateKey, "\r\n", "\n"))
	signer, err := ssh.ParsePrivateKey(text)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		if c.Passphrase == "" {
			return nil, fault.Missing("passphrase, which this private_key has")
		}
		if signer, err = ssh.ParsePrivateKeyWithPassphrase(text, []byte(c.Passphrase)); err != nil {
			return nil, fault.Invalid("passphrase", "does not open the private_key; send the one that it was made with")
		}
	}
	if err != nil {
		return nil, fault.Invalid("private_key", "cannot be read; send the whole file as ssh-keygen writes it, from -----BEGIN to the end")
	}
	return signer, nil
}
