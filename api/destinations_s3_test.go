package api_test

import (
	"net/http"
	"strings"
	"testing"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

// An export in a bucket of the operator's is brought to one of a customer's. What is wrong about that one is said when it is
// made.
func TestDestinationInABucket(t *testing.T) {
	t.Parallel()
	s := pbxtest.S3(t)
	proxy, ca := pbxtest.NewSecureProxy(t, s.URL())
	b := newBundle(t, setUp{cdrs: 20, now: newest, bucket: pbxtest.NewBucket(t, s), settings: func(s *config.Settings) {
		s.DeliveryNetworks, s.DeliveryCA = prefixes("127.0.0.0/8"), ca
	}})
	customers, readOnly := pbxtest.NewBucket(t, s), pbxtest.NewBucket(t, s, "s3:GetObject", "s3:ListBucket")
	to := func(more ...string) call {
		return b.asAdmin(call{path: destinationsPath, form: form(append([]string{
			"name", "bucket", "kind", "s3", "bucket", customers, "folder", "from/us", "region", servers.S3Region, "endpoint", proxy.URL,
			"access_key", servers.S3AccessKey, "secret_key", servers.S3SecretKey,
		}, more...)...)})
	}
	for what, c := range map[string]struct {
		change []string // the last of a name counts
		status int
		says   string
	}{
		"no such bucket":     {[]string{"bucket", "nowhere"}, http.StatusUnprocessableEntity, "there is no such bucket"},
		"may not be written": {[]string{"bucket", readOnly, "access_key", servers.S3GuestKey, "secret_key", servers.S3GuestSecret}, http.StatusUnprocessableEntity, "s3:PutObject"},
		"a wrong key":        {[]string{"secret_key", "wrong"}, http.StatusUnprocessableEntity, "secret key"},
		"metadata":           {[]string{"endpoint", "https://169.254.169.254"}, http.StatusForbidden, "TRUNKLINE_DELIVERY_NETWORKS"},
		"no TLS":             {[]string{"endpoint", s.URL()}, http.StatusBadRequest, "endpoint"},
		"a wrong folder":     {[]string{"folder", "../x"}, http.StatusBadRequest, "folder"},
		"a key in the URL":   {[]string{"endpoint", "https://a:b@s3.example"}, http.StatusBadRequest, "endpoint"},
	} {
		changed := to()
		for i := 0; i < len(c.change); i += 2 {
			changed.form.Set(c.change[i], c.change[i+1])
		}
		got := b.do(t, changed)
		if got.status != c.status || !strings.Contains(got.body, c.says) || strings.Contains(got.body, servers.S3SecretKey) {
			t.Errorf("%s: got %d %s", what, got.status, got.body)
		}
	}
	made := b.do(t, to()).want(t, http.StatusCreated, "")
	if strings.Contains(made.body, servers.S3SecretKey) || strings.Contains(made.body, servers.S3AccessKey) || made.text(t, "has_credentials") != "true" {
		t.Errorf("got %s", made.body)
	}
	job := b.do(t, b.asAdmin(call{path: exportPath, form: everything("format", "CSV", "deliver_to", made.text(t, "id"), "deliver_as", "calls.csv")})).want(t, http.StatusOK, "")
	pbxtest.Eventually(t, "the file is delivered", func() bool {
		return strings.Contains(b.do(t, b.asAdmin(call{path: deliveriesPath})).want(t, http.StatusOK, "").body, `"delivered"`)
	})
	want := b.do(t, b.asAdmin(call{path: "/v1/exports/" + job.text(t, "job_id") + "/file"})).want(t, http.StatusOK, "")
	if got, err := s.Read(customers, "from/us/calls.csv"); err != nil || string(got) != want.body {
		t.Errorf("%d bytes were delivered of %d, %v", len(got), len(want.body), err)
	}
	for _, secret := range []string{"access_key", "secret_key"} {
		b.do(t, b.asAdmin(call{path: destinationsPath + "?" + secret + "=x"})).want(t, http.StatusBadRequest, "credentials_in_query")
	}
	if strings.Contains(b.log.String(), servers.S3SecretKey) {
		t.Error("the log has the key")
	}
}
