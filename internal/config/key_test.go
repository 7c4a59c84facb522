package config

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{0xfb, 0xff}, keyBytes/2) // + and / in base64
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"hex", hex.EncodeToString(key), true},
		{"upper-case hex", strings.ToUpper(hex.EncodeToString(key)), true},
		{"base64", base64.StdEncoding.EncodeToString(key), true},
		{"base64 for URLs", base64.URLEncoding.EncodeToString(key), true},
		{"base64 without padding", base64.RawStdEncoding.EncodeToString(key), false},
		{"a digit short", hex.EncodeToString(key)[1:], false},
		{"a byte long", hex.EncodeToString(append(key[:keyBytes:keyBytes], 1)), false},
		{"a path", "/var/lib/trunkline/secret/of/this/machine/k", false},
		{"nothing", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, ok := parseKey(c.text)
			if ok != c.ok || ok && !bytes.Equal(got, key) {
				t.Errorf("got %x, %t; want %t", got, ok, c.ok)
			}
		})
	}
}

func TestLoadSecretKeyFromItsValue(t *testing.T) {
	t.Parallel()
	want := bytes.Repeat([]byte{7}, keyBytes)
	got, err := Settings{SecretKey: Secret(hex.EncodeToString(want))}.LoadSecretKey(false)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %x, %v", got, err)
	}
}

// Many processes that make the key at once get the same one, and nothing else is left in the folder.
func TestLoadSecretKeyCreates(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "lib", "trunkline")
	s := Settings{SecretKey: Secret(filepath.Join(dir, "secret.key"))}
	const racers = 16
	keys := make([][]byte, racers)
	var group errgroup.Group
	for i := range racers {
		group.Go(func() (err error) {
			keys[i], err = s.LoadSecretKey(true)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if len(key) != keyBytes || !bytes.Equal(key, keys[0]) {
			t.Fatalf("got %x and %x", key, keys[0])
		}
	}
	again, err := s.LoadSecretKey(false)
	if err != nil || !bytes.Equal(again, keys[0]) {
		t.Errorf("a later process: got %x, %v", again, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("the folder holds %v, %v; want the key alone", files, err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "secret.key"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %s: got %o, want %o", path, got, want)
		}
	}
}

func TestLoadSecretKeyRefuses(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("0f", keyBytes)
	write := func(t *testing.T, content string, mode os.FileMode) string {
		path := writeFile(t, "secret.key", content)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name string
		path func(t *testing.T) string
		want string
	}{
		{"no file", func(t *testing.T) string { return filepath.Join(t.TempDir(), "none.key") }, "openssl rand -hex 32"},
		{"readable by the group", func(t *testing.T) string { return write(t, good, 0o640) }, "chmod 600"},
		{"readable by all", func(t *testing.T) string { return write(t, good, 0o604) }, "chmod 600"},
		{"not a key", func(t *testing.T) string { return write(t, good[2:], 0o600) }, "64 hex digits"},
		{"an empty file", func(t *testing.T) string { return write(t, "", 0o600) }, "64 hex digits"},
		{"a folder", func(t *testing.T) string { return t.TempDir() }, "not a file"},
		{"a relative path", func(*testing.T) string { return "secret.key" }, "absolute path"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Settings{SecretKey: Secret(c.path(t))}.LoadSecretKey(false)
			if err == nil {
				t.Fatal("a key was found")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), nameSecretKey) {
				t.Errorf("the error lacks %q or %q: %v", c.want, nameSecretKey, err)
			}
			if strings.Contains(err.Error(), good[2:]) {
				t.Errorf("the error holds the key: %v", err)
			}
		})
	}
}
