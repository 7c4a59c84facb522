package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	minPostgres = 15 // major version
	minRedis    = 7  // major version

	// debianPostgres is where Debian and Ubuntu keep the server's programs, off PATH.
	debianPostgres = "/usr/lib/postgresql/*/bin"

	installHint = "`make demo` and `make test` install it on Debian and Ubuntu; by hand: apt-get install %s; elsewhere install %s %d or later so that %s is in PATH"
)

// programs are the servers' programs, by absolute path.
type programs struct {
	initdb, postgres, redis string
}

// Installed returns an error that says what to install, if a Postgres or a Redis server is missing or too old.
func Installed() error {
	_, err := findPrograms()
	return err
}

func findPrograms() (programs, error) {
	return findProgramsIn(os.Getenv("PATH"), debianPostgres)
}

// findProgramsIn looks in the folders of searchPath, and for Postgres also in those that match the
// pattern. It names everything that is missing at once.
func findProgramsIn(searchPath, pattern string) (programs, error) {
	folders := filepath.SplitList(searchPath)
	postgresDir, errPostgres := findPostgres(folders, pattern)
	redis, errRedis := findRedis(folders)
	if err := errors.Join(errPostgres, errRedis); err != nil {
		return programs{}, err
	}
	return programs{
		initdb:   filepath.Join(postgresDir, "initdb"),
		postgres: filepath.Join(postgresDir, "postgres"),
		redis:    redis,
	}, nil
}

// findPostgres returns the folder of the first Postgres in folders that is new enough, else the
// newest among those that match pattern.
func findPostgres(folders []string, pattern string) (string, error) {
	tooOld := 0
	for _, dir := range folders {
		switch v := postgresIn(dir); {
		case v >= minPostgres:
			return dir, nil
		case v > tooOld:
			tooOld = v
		}
	}
	packaged, err := filepath.Glob(pattern)
	if err != nil {
		return "", fmt.Errorf("looking for Postgres: %w", err)
	}
	best, newest := "", 0
	for _, dir := range packaged {
		if v := postgresIn(dir); v > newest {
			best, newest = dir, v
		}
	}
	if newest >= minPostgres {
		return best, nil
	}
	return "", missing("Postgres", "postgresql", "postgres", max(tooOld, newest), minPostgres)
}

func findRedis(folders []string) (string, error) {
	tooOld := 0
	for _, dir := range folders {
		path := filepath.Join(dir, "redis-server")
		switch v := majorVersion(path); {
		case v >= minRedis:
			return path, nil
		case v > tooOld:
			tooOld = v
		}
	}
	return "", missing("Redis", "redis-server", "redis-server", tooOld, minRedis)
}

// missing says that a server was not found, or only in the version found, and how to get it.
func missing(server, debianPackage, program string, found, least int) error {
	hint := fmt.Sprintf(installHint, debianPackage, server, least, program)
	if found > 0 {
		return fmt.Errorf("%s %d is installed, and version %d or later is needed: %s", server, found, least, hint)
	}
	return fmt.Errorf("the %s server is not installed (version %d or later): %s", server, least, hint)
}

// postgresIn returns the major version of the Postgres in dir, 0 if there is none.
func postgresIn(dir string) int {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return 0
	}
	return majorVersion(filepath.Join(dir, "postgres"))
}

// versionNumber matches "postgres (PostgreSQL) 15.18" as well as "Redis server v=7.0.15".
var versionNumber = regexp.MustCompile(`(?:PostgreSQL\) |v=)(\d+)`)

// majorVersion asks the program at path for its version; 0 means that it is not there or does not say.
func majorVersion(path string) int {
	if !filepath.IsAbs(path) {
		return 0 // a relative folder in PATH: never run what happens to lie around
	}
	if _, err := os.Stat(path); err != nil {
		return 0
	}
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return 0
	}
	m := versionNumber.FindStringSubmatch(strings.TrimSpace(string(out)))
	if m == nil {
		return 0
	}
	v, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return v
}
