package config

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"trunkline/internal/atomicfile"
)

const (
	keyBytes = 32
	// maxKeyFile bounds what is read of a key file, in bytes: a key and some white space.
	maxKeyFile = 256
	// othersMode are the permission bits of group and others.
	othersMode fs.FileMode = 0o077

	nameSecretKey = prefix + "SECRET_KEY"
)

var errNotAKey = errors.New("neither 64 hex digits, nor base64 of 32 bytes, nor an absolute path; " +
	"make a key with `openssl rand -hex 32`, or name the file of one")

// ErrNoKeyFile is in the error of LoadSecretKey if there is no such file.
var ErrNoKeyFile = errors.New("there is no key file")

// LoadSecretKey returns the 32 bytes of the secret key: those that the setting holds, or those in the
// file that it names, which nobody but its owner may read. If there is no such file and create is
// set, one is made with mode 0600; processes that do so at the same time get the same key.
func (s Settings) LoadSecretKey(create bool) ([]byte, error) {
	path := s.SecretKey.Reveal()
	if key, ok := parseKey(path); ok {
		return key, nil
	}
	if err := checkSecretKey(path); err != nil {
		return nil, fmt.Errorf("%s: %w", nameSecretKey, err)
	}
	key, err := readKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if !create {
		return nil, fmt.Errorf("%s: %w %s; copy the other processes' key file there, or make one with "+
			"`(umask 077; openssl rand -hex 32 > %s)`", nameSecretKey, ErrNoKeyFile, path, path)
	}
	if err := createKeyFile(path); err != nil {
		return nil, fmt.Errorf("%s: making a key: %w; make the folder, and give it to the user that runs trunkline", nameSecretKey, err)
	}
	return readKeyFile(path)
}

// SecretKeyFile is the file that holds the secret key; false if the setting is the key itself.
func (s Settings) SecretKeyFile() (path string, isFile bool) {
	path = s.SecretKey.Reveal()
	_, isKey := parseKey(path)
	return path, !isKey
}

// ReplaceKeyFile puts the key, 64 hex digits, in place of the one in the file, whose owner stays. last is called
// when nothing is left to do but that, which an error prevents; it may be nil.
func ReplaceKeyFile(path, key string, last func() error) error {
	var failed error
	err := atomicfile.Replacement{
		Path: path, Content: []byte(key + "\n"),
		Dress: func(file *os.File) error { return likeOwner(file, path) },
		Last: func() error {
			if last != nil {
				failed = last()
			}
			return failed
		},
	}.Write()
	if failed != nil || err == nil {
		return failed
	}
	return fmt.Errorf("%s: writing the key file: %w; run this as the user that the file belongs to, who must be able to write into its folder", nameSecretKey, err)
}

// likeOwner gives the file the owner of the one at path.
func likeOwner(file *os.File, path string) error {
	there, err := os.Stat(path)
	if err != nil {
		return err
	}
	owner, ok := there.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}

// checkSecretKey refuses what is neither a key nor a path. The value may be a mistyped key, and is not
// shown.
func checkSecretKey(value string) error {
	if _, ok := parseKey(value); ok || filepath.IsAbs(value) && !strings.ContainsRune(value, 0) {
		return nil
	}
	return errNotAKey
}

// parseKey reads 64 hex digits, or padded base64 of 32 bytes in either alphabet. The padding keeps a
// path from being taken for a key: base64 can begin with a slash.
func parseKey(text string) ([]byte, bool) {
	if key, err := hex.DecodeString(text); err == nil && len(key) == keyBytes {
		return key, true
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		if key, err := encoding.Strict().DecodeString(text); err == nil && len(key) == keyBytes && !strings.ContainsAny(text, "\r\n") {
			return key, true
		}
	}
	return nil, false
}

// readKeyFile returns the key in the file. It looks at the mode of what it has opened, so that nobody
// can change the file in between.
func readKeyFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: reading the key file: %w; give it to the user that runs trunkline", nameSecretKey, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: reading the key file: %w", nameSecretKey, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %s is not a file; name the key's file itself", nameSecretKey, path)
	}
	if mode := info.Mode().Perm(); mode&othersMode != 0 {
		return nil, fmt.Errorf("%s: others than its owner may use the key file %s (mode %04o); run `chmod 600 %s`, and replace the key if it may have been read",
			nameSecretKey, path, mode, path)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("%s: reading the key file: %w", nameSecretKey, err)
	}
	key, ok := parseKey(strings.TrimSpace(string(content)))
	if !ok {
		return nil, fmt.Errorf("%s: %s holds neither 64 hex digits nor base64 of 32 bytes; restore the key from a backup", nameSecretKey, path)
	}
	return key, nil
}

// createKeyFile puts a new key at path, unless there is a file by then.
func createKeyFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	return atomicfile.Create(path, fmt.Appendf(nil, "%x\n", key))
}
