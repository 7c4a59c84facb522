//go:build !linux

package folder

import "os"

// renameNoReplace renames within the folder. Errors: fs.ErrExist.
func renameNoReplace(folder *os.Root, _ *os.File, from, to string) error {
	return link(folder, from, to)
}
