// Package file keeps gateways as files, where FusionPBX does: v_<uuid>.xml in the folder of the
// gateway's SIP profile. It knows how such a file is written so that FreeSWITCH reads back what was asked,
// and which file keeps FreeSWITCH from reading any. It knows nothing of jobs, switches or HTTP.
package file

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
)

// FindFolder returns the folder where FusionPBX keeps gateways as files, and nil in database mode.
func FindFolder(ctx context.Context, p *pbx.PBX) (*Folder, error) {
	mode, err := p.Mode(ctx)
	if err != nil || mode != fusionpbx.ModeFile {
		return nil, err
	}
	dir, from := p.SIPProfilesDir, "TRUNKLINE_SIP_PROFILES_DIR"
	if dir == "" {
		from = "FusionPBX's default setting switch, sip_profiles, dir"
		if dir, err = p.FusionPBX.SIPProfilesDir(ctx); err != nil {
			return nil, err
		}
		if dir == "" {
			return nil, fmt.Errorf("gateways are kept as files here (TRUNKLINE_GATEWAY_MODE), and %s names no folder; set TRUNKLINE_SIP_PROFILES_DIR", from)
		}
	}
	folder, err := Open(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return folder, nil
}

// Folder is the folder that holds a folder of gateway files for each SIP profile. Only one process at a
// time may call Put for a gateway.
type Folder struct {
	dir string
	// beforeRename is where a test ends the process; nil otherwise.
	beforeRename func() error
}

// Open returns the folder of that absolute path. It does not look whether there is one.
func Open(dir string) (*Folder, error) {
	if !filepath.IsAbs(dir) || strings.ContainsRune(dir, 0) || slices.Contains(strings.Split(dir, "/"), "..") {
		return nil, fmt.Errorf("%q is not an absolute path without ..; write one such as /etc/freeswitch/sip_profiles", dir)
	}
	return &Folder{dir: filepath.Clean(dir)}, nil
}

// Dir is the folder's path.
func (f *Folder) Dir() string { return f.dir }

// profileDir is a profile's folder. A name that would lead out of the folder is refused.
func (f *Folder) profileDir(profile string) (string, error) {
	if freeswitch.CheckProfile(profile) != nil {
		return "", fmt.Errorf("%q is no name of a SIP profile; use letters, digits, _ . and -", profile)
	}
	return filepath.Join(f.dir, profile), nil
}

func checkUUID(uuid string) error {
	if freeswitch.CheckUUID(uuid) != nil {
		return fmt.Errorf("%q is no gateway's UUID in lower case", uuid)
	}
	return nil
}

// path is where a gateway's file is, which FreeSWITCH's *.xml matches; both names have been checked.
func (f *Folder) path(profile, uuid string) string {
	return filepath.Join(f.dir, profile, "v_"+uuid+".xml")
}

// part is the folder in which a file is written before it is whole. FreeSWITCH's *.xml matches neither its
// beginning nor its end. There is one for each gateway, so that what a killed process left is removed by the
// next without a search among thousands of files.
func (f *Folder) part(profile, uuid string) string {
	return filepath.Join(f.dir, profile, ".v_"+uuid+".xml.part")
}
