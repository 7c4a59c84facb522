package cdr

import (
	"os"
	"testing"

	"trunkline/internal/pbxtest"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

var must = pbxtest.Must
