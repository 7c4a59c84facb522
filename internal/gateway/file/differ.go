package file

import (
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"

	"trunkline/internal/fusionpbx"
)

// columnOf is the column that each parameter comes from, by its place in params.
var columnOf = func() map[string]int {
	places := map[string]int{}
	for i, p := range params {
		places[p.name] = i
	}
	return places
}()

// Differ names the columns of which these parameters, as they are written in XML, are not what FusionPBX writes for the
// row. same says whether a written text stands for a value. What the row leaves empty may be written with a default.
func Differ(written iter.Seq2[string, string], row fusionpbx.Gateway, same func(raw, value string) bool) (columns []string) {
	var seen uint64 // one bit a parameter
	for name, raw := range written {
		i, known := columnOf[name]
		if !known {
			continue
		}
		seen |= 1 << i
		value := row.Get(params[i].column)
		if value == "" && defaulted[name] {
			continue
		}
		if value = paramValue(name, value); raw != value && !same(raw, value) {
			columns = append(columns, params[i].column)
		}
	}
	for i, p := range params {
		if seen&(1<<i) == 0 && row.Get(p.column) != "" {
			columns = append(columns, p.column)
		}
	}
	return columns
}

// defaulted are the parameters that may be written although the row has none.
var defaulted = map[string]bool{"register-transport": true, "retry-seconds": true}

// gatewayFile is the name of a gateway's file.
var gatewayFile = regexp.MustCompile(`^v_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.xml$`)

// Every returns the files of all gateways, by uuid. What cannot be read is an *Error.
func (f *Folder) Every() (map[string][]File, error) {
	profiles, err := f.profiles()
	if err != nil {
		return nil, err
	}
	every := map[string][]File{}
	for _, profile := range profiles {
		dir := filepath.Join(f.dir, profile)
		entries, err := os.ReadDir(dir)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) || !isFolder(dir) {
				continue
			}
			return nil, &Error{dir, "reading", err}
		}
		for _, entry := range entries {
			named := gatewayFile.FindStringSubmatch(entry.Name())
			if named == nil {
				continue
			}
			path := filepath.Join(dir, entry.Name())
			content, mode, err := readFile(path)
			switch {
			case errors.Is(err, fs.ErrNotExist): // it went meanwhile
			case err != nil:
				return nil, &Error{path, "reading", err}
			default:
				every[named[1]] = append(every[named[1]], File{Profile: profile, Content: content, Mode: mode})
			}
		}
	}
	return every, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
