package servers_test

import (
	"os"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(servers.ChildDir); dir != "" {
		os.Exit(servers.RunChild(dir))
	}
	os.Exit(pbxtest.Main(m))
}
