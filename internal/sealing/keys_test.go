package sealing_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/sealing"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

func TestSecretKeyMustMatch(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, postgrestest.Tables))
	keys, err := sealing.NewKeys(make([]byte, 32))
	must(t, err)
	must(t, keys.CheckDatabase(t.Context(), pool))
	must(t, keys.CheckDatabase(t.Context(), pool))
	other, err := sealing.NewKeys(bytes.Repeat([]byte{1}, 32))
	must(t, err)
	if err := other.CheckDatabase(t.Context(), pool); err == nil {
		t.Fatal("another key was accepted")
	}
}

func TestSealIsForOneJob(t *testing.T) {
	t.Parallel()
	keys, err := sealing.NewKeys(make([]byte, 32))
	must(t, err)
	sealed, err := keys.Seal("job-1", map[string]string{"password": "hunter2"})
	must(t, err)
	if bytes.Contains(sealed, []byte("hunter2")) {
		t.Fatal("the sealed secret can be read")
	}
	var got map[string]string
	must(t, keys.Open("job-1", sealed, &got))
	if got["password"] != "hunter2" {
		t.Fatalf("got %v", got)
	}
	if err := keys.Open("job-2", sealed, &got); err == nil {
		t.Fatal("another job opened it")
	}
}

func TestDownloadSignature(t *testing.T) {
	t.Parallel()
	keys, err := sealing.NewKeys(make([]byte, 32))
	must(t, err)
	signature := keys.DownloadSignature("job", "a", 1000)
	for name, valid := range map[string]bool{
		"as signed":      keys.ValidDownload("job", "a", 1000, signature),
		"another job":    !keys.ValidDownload("job2", "a", 1000, signature),
		"another tenant": !keys.ValidDownload("job", "b", 1000, signature),
		"a later expiry": !keys.ValidDownload("job", "a", 1001, signature),
		"no signature":   !keys.ValidDownload("job", "a", 1000, ""),
	} {
		if !valid {
			t.Errorf("%s: wrong answer", name)
		}
	}
}

// Databases and open links hold what these return.
func TestWhatIsKeptStaysValid(t *testing.T) {
	t.Parallel()
	keys, err := sealing.NewKeys(bytes.Repeat([]byte{1}, 32))
	must(t, err)
	sealed, err := hex.DecodeString("b4ba89c1134fadffbcb8e9c078be6fa5ac6538c27cd2edaa14d2047ebc5101eb0620591b83")
	must(t, err)
	var opened string
	must(t, keys.Open("job", sealed, &opened))
	hash, err := hex.DecodeString("b505e3225e1e05c24d4829584ebc91fa76be061a3ffb6aa834729f30a67254f1")
	must(t, err)
	if !keys.SameBody(hash, "delete", "", "carrier") || keys.SameBody(hash, "delete", "", "other") {
		t.Error("a body's hash from before keys had names is not told from another one")
	}
	for _, tc := range []struct{ name, got, want string }{
		{"a sealed value", opened, "hunter2"},
		{"a body's hash", hex.EncodeToString(keys.BodyHash("delete", "", "carrier")), "f88f8d6fb505e3225e1e05c24d4829584ebc91fa76be061a3ffb6aa834729f30a67254f1"},
		{"a link's signature", keys.DownloadSignature("job", "a", 1000), "c6aa712362ed764aad71c8177ed494f1792fca895593c5c687c297afe82ea670"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, tc.got, tc.want)
		}
	}
}

var must = pbxtest.Must
