package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// othersRead and othersWrite are the permission bits of everybody.
const (
	othersRead  fs.FileMode = 0o004
	othersWrite fs.FileMode = 0o002
	sticky                  = fs.ModeSticky
)

// warn prints what should be changed and keeps nothing from working.
func (c *checker) warn(part, text string) { c.cmd.printf("%-22s WARNING: %s\n", part, text) }

// frontEnd says whether one runs on this host: that none does is no fault of what is checked.
func (c *checker) frontEnd() {
	ctx, cancel := context.WithTimeout(c.cmd.ctx, healthTimeout)
	defer cancel()
	if err := askFrontEnd(ctx, c.settings); err != nil {
		c.cmd.printf("%-22s not running: %v\n", "serve", err)
		return
	}
	c.cmd.printf("%-22s ok: a front end runs and is ready at %s\n", "serve", c.settings.Listen)
}

// permissions warns of files that everybody on this host may read or write, and must not.
func (c *checker) permissions() {
	for _, file := range []struct {
		part, path string
		closed     fs.FileMode // what everybody must not do
	}{
		{"settings file", c.cmd.configFile, othersRead | othersWrite},
		{"certificate key", c.settings.TLSKey, othersRead | othersWrite},
		{"whitelist", c.settings.Whitelist, othersWrite}, // its addresses are no secret
	} {
		if file.path == "" {
			continue
		}
		info, err := os.Stat(file.path)
		if err != nil {
			continue // whoever needs it says so
		}
		switch open := info.Mode() & file.closed; {
		case open&othersWrite != 0:
			c.warn(file.part, fmt.Sprintf("everybody may write %s (mode %04o); run `chmod o-rw %[1]s`, and see that what is in it is yours", file.path, info.Mode().Perm()))
		case open != 0:
			c.warn(file.part, fmt.Sprintf("everybody may read %s (mode %04o), and it holds secrets; run `chmod o-r %[1]s`", file.path, info.Mode().Perm()))
		}
		folder := filepath.Dir(file.path)
		if info, err := os.Stat(folder); err == nil && info.Mode()&othersWrite != 0 && info.Mode()&sticky == 0 {
			c.warn(file.part, fmt.Sprintf("everybody may replace what is in %s; run `chmod o-w %[1]s`", folder))
		}
	}
}

// canBeMade fails if this user may not make what the setting names: the nearest folder that is there has to be
// its own.
func canBeMade(path, setting string) error {
	folder := filepath.Dir(path)
	for {
		_, err := os.Stat(folder)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || folder == filepath.Dir(folder) {
			return fmt.Errorf("%s: %w", setting, err)
		}
		folder = filepath.Dir(folder)
	}
	const write = 2 // access(2)'s W_OK
	if err := syscall.Access(folder, write); err != nil {
		return fmt.Errorf("%s: this user cannot write into %s to make %s: %w; make the folder, and give it to the user that runs trunkline", setting, folder, path, err)
	}
	return nil
}
