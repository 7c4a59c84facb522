// Package tour does the main job of a Trunkline over HTTP, as WHMCS would, on the sample PBX, and says of
// each answer whether it holds. It knows the documented endpoints and nothing of the program behind them.
package tour

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"trunkline/internal/pbxtest/sample"
)

const (
	// readyPatience bounds the wait for the front end, whose start is a matter of milliseconds.
	readyPatience = 20 * time.Second
	// poll is how often the tour asks again for what takes its time.
	poll = 250 * time.Millisecond
	// patience is how long it asks before it says that the demo did not hold.
	patience = 60 * time.Second
)

// Tour is one tour, which prints what it sends and gets.
type Tour struct {
	Out    io.Writer
	Base   string // where the front end is: http://host:port
	Sample sample.PBX
	// Registered is how many of the sample's extensions are registered: fewer than there are.
	Registered int
	Verbose    bool // print answers whole, and each look at a job
	// Console carries out a command at the switch's own console, behind Trunkline's back, and returns what it says.
	Console func(command string) string
	// Outside is where files are brought. Trunkline has its settings.
	Outside *Outside

	domain, token string // the token that the tour made, and its domain

	// What messages are signed with: of the webhook, and of what a callback_url is told.
	secret, callbackSecret string
}

// Run takes every step, and ends with the first that does not hold.
func (t *Tour) Run(ctx context.Context) error {
	if err := t.waitReady(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"Connection check: needs the whitelist alone", t.checkConnection},
		{"Status: the PBX and the switch, at most a second old", t.status},
		{"A registration check: one extension that is registered, and one that is not", t.checkRegistrations},
		{"A Token: what WHMCS is given in place of a superadmin's password", t.MakeToken},
		{"Provision a gateway: written to Postgres, loaded by the switch and seen there", t.Provision},
		{"The gateway list, until the new one is registered", t.list},
		{"A bulk import: what it would change, and then the import", t.importGateways},
		{"Drift: a gateway is removed from the switch by hand, found missing, and repaired", t.repairDrift},
		{"A small export: answered at once", t.smallExport},
		{"An export of all rows: a job, watched and downloaded", t.largeExport},
		{"Destinations: a folder, and a webhook that gets a signed test message", t.destinations},
		{"A schedule: run at once, its file brought to the folder, and the webhook told of it", t.schedule},
		{"The end of a job: told to its callback_url", t.callback},
	} {
		t.printf("\n== %s\n", step.title)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(step.title[:1])+step.title[1:], err)
		}
	}
	return nil
}

func (t *Tour) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	return t.until(ctx, func() (bool, error) {
		got, err := t.Send(ctx, Call{Method: http.MethodGet, Path: "/readyz"})
		return err == nil && got.Status == http.StatusOK, nil
	})
}

func (t *Tour) checkConnection(ctx context.Context) error {
	var got struct {
		Success int `json:"success"`
	}
	if err := t.show(ctx, Call{Method: http.MethodGet, Path: "/app/xml_cdr/chkcon.php"}, http.StatusOK, &got); err != nil {
		return err
	}
	if got.Success != 1 {
		return errors.New("access was not granted")
	}
	return nil
}

// status compares what status says with the sample.
func (t *Tour) status(ctx context.Context) error {
	var got struct {
		Total      int `json:"total_extensions"`
		Registered int `json:"registered_extensions"`
	}
	if err := t.show(ctx, Call{Method: http.MethodPost, Path: "/app/status/index.php", Login: true, Form: url.Values{}}, http.StatusOK, &got); err != nil {
		return err
	}
	if total := len(t.Sample.Extensions(math.MaxInt32)); got.Total != total || got.Registered != t.Registered {
		return fmt.Errorf("it says %d of %d extensions are registered, and the PBX has %d of %d", got.Registered, got.Total, t.Registered, total)
	}
	return nil
}

// checkRegistrations asks for the last extension that is registered and for the first that is not.
func (t *Tour) checkRegistrations(ctx context.Context) error {
	extensions := t.Sample.Extensions(t.Registered + 1)
	for i, want := range []string{"yes", "no"} {
		e := extensions[t.Registered-1+i]
		var got struct {
			Registered string `json:"registered"`
		}
		err := t.show(ctx, Call{Method: http.MethodPost, Path: "/app/registrations/check_registration.php", Login: true, Form: url.Values{
			"extension": {e.Number}, "tenant_domain": {e.Domain},
		}}, http.StatusOK, &got)
		if err != nil {
			return err
		}
		if got.Registered != want {
			return fmt.Errorf("extension %s of %s: registered is %q and not %q", e.Number, e.Domain, got.Registered, want)
		}
	}
	return nil
}

// MakeToken makes a token for one domain, with which the gateway is provisioned.
func (t *Tour) MakeToken(ctx context.Context) error {
	t.domain = t.Sample.Domains[0].Name
	var got struct {
		Token string `json:"token"`
	}
	err := t.show(ctx, Call{Method: http.MethodPost, Path: "/v1/tokens", Login: true, Form: url.Values{
		"name": {"WHMCS"}, "scopes": {"read,provision,export"}, "domains": {t.domain},
	}}, http.StatusCreated, &got)
	if err == nil && got.Token == "" {
		err = errors.New("no token came back")
	}
	t.token = got.Token
	return err
}

// Token is the token that MakeToken made.
func (t *Tour) Token() string { return t.token }

// WebhookSecrets are what messages are signed with, as the tour was shown them.
func (t *Tour) WebhookSecrets() []string { return []string{t.secret, t.callbackSecret} }

const gatewayName = "demo_carrier"

// Provision provisions a gateway with the token.
func (t *Tour) Provision(ctx context.Context) error {
	var got struct {
		Status      string `json:"status"`
		GatewayUUID string `json:"gateway_uuid"`
	}
	err := t.show(ctx, Call{Method: http.MethodPost, Path: "/app/gateways/provision.php", Token: t.token, Form: url.Values{
		"gateway_name":     {gatewayName},
		"gateway_domain":   {"sip.carrier.example"},
		"gateway_username": {"account"},
		"gateway_password": {"a-demo-password"},
	}}, http.StatusOK, &got)
	if err != nil {
		return err
	}
	if got.Status != "success" || got.GatewayUUID == "" {
		return errors.New("the gateway was not configured")
	}
	return nil
}

func (t *Tour) list(ctx context.Context) error {
	list := Call{Method: http.MethodPost, Path: "/app/gateways/provision_list.php", Login: true, Whole: true, Form: url.Values{}}
	type gateways struct {
		Gateways []struct {
			Name   string `json:"gateway_name"`
			Status string `json:"gateway_status"`
		} `json:"gateways"`
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := t.until(ctx, func() (bool, error) {
		got, err := t.Send(ctx, list)
		if err != nil {
			return false, err
		}
		var decoded gateways
		if err := json.Unmarshal(got.Body, &decoded); err != nil {
			return false, err
		}
		for _, g := range decoded.Gateways {
			if g.Name == gatewayName && g.Status == "UP" {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("%s did not come UP: %w", gatewayName, err)
	}
	return t.show(ctx, list, http.StatusOK, &gateways{})
}

func (t *Tour) smallExport(ctx context.Context) error {
	day := time.Now().UTC().AddDate(0, 0, -7).Format(time.DateOnly)
	var got struct {
		Total   int               `json:"total_records"`
		Records []json.RawMessage `json:"records"`
	}
	err := t.show(ctx, Call{Method: http.MethodPost, Path: "/app/xml_cdr/export_cdr.php", Login: true, Form: url.Values{
		"date_start": {day}, "date_end": {day}, "format": {"JSON"}, "time_zone": {"UTC"},
	}}, http.StatusOK, &got)
	if err != nil {
		return err
	}
	if got.Total == 0 || got.Total != len(got.Records) {
		return fmt.Errorf("%d records were counted and %d given", got.Total, len(got.Records))
	}
	return nil
}

// exportJob is what the tour reads of an export's job.
type exportJob struct {
	JobID    string `json:"job_id"`
	State    string `json:"state"`
	Progress struct {
		Done  int64 `json:"done"`
		Total int64 `json:"total"`
	} `json:"progress"`
	Result struct {
		TotalRecords int64  `json:"total_records"`
		SHA256       string `json:"sha256"`
		DownloadURL  string `json:"download_url"`
	} `json:"result"`
	Error json.RawMessage `json:"error"`
}

func (t *Tour) largeExport(ctx context.Context) error {
	now := time.Now().UTC()
	var job exportJob
	err := t.show(ctx, Call{Method: http.MethodPost, Path: "/app/xml_cdr/export_cdr.php", Login: true, Form: url.Values{
		"date_start": {now.AddDate(0, 0, -sample.Demo.Days-2).Format(time.DateOnly)},
		"date_end":   {now.AddDate(0, 0, 1).Format(time.DateOnly)},
		"format":     {"CSV"}, "time_zone": {"UTC"}, "wait": {"0"},
	}}, http.StatusAccepted, &job)
	if err != nil {
		return err
	}
	status := Call{Method: http.MethodGet, Path: "/v1/jobs/" + job.JobID, Login: true}
	t.printf("\n%s\n", t.curl(status))
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = t.until(waiting, func() (bool, error) {
		got, err := t.Send(waiting, status)
		if err != nil {
			return false, err
		}
		if err := json.Unmarshal(got.Body, &job); err != nil {
			return false, fmt.Errorf("%w in %s", err, got.Body)
		}
		of := ""
		if job.Progress.Total > 0 {
			of = fmt.Sprintf(" of about %d", job.Progress.Total)
		}
		if done := job.State != "queued" && job.State != "running"; t.Verbose || done {
			t.printf("  %s: %d%s rows\n", job.State, job.Progress.Done, of)
		}
		return job.State != "queued" && job.State != "running", nil
	})
	if err != nil {
		return err
	}
	if job.State != "succeeded" {
		return fmt.Errorf("the job ended as %s: %s", job.State, job.Error)
	}
	return t.checkDownload(ctx, job)
}

// checkDownload fetches the file of the job and compares its rows and its hash with the job's result.
func (t *Tour) checkDownload(ctx context.Context, job exportJob) error {
	download := Call{Method: http.MethodGet, Path: job.Result.DownloadURL, SaveAs: "cdrs.csv"}
	t.printf("\n%s\n", t.curl(download))
	got, err := t.Send(ctx, download)
	if err != nil {
		return err
	}
	if got.Status != http.StatusOK {
		return fmt.Errorf("the download answered %d: %s", got.Status, got.Body)
	}
	sum := sha256.Sum256(got.Body)
	if hex.EncodeToString(sum[:]) != job.Result.SHA256 {
		return fmt.Errorf("the file's SHA-256 is %x and the job says %s", sum, job.Result.SHA256)
	}
	reader := csv.NewReader(bytes.NewReader(got.Body))
	reader.ReuseRecord = true
	rows := int64(-1) // the header
	for {
		if _, err := reader.Read(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("the file is not CSV: %w", err)
		}
		rows++
	}
	if rows != int64(t.Sample.CDRs) || rows != job.Result.TotalRecords {
		return fmt.Errorf("the file has %d rows, the job says %d, the PBX has %d", rows, job.Result.TotalRecords, t.Sample.CDRs)
	}
	t.printf("  %d rows, %d bytes, SHA-256 %s: as the job says\n", rows, len(got.Body), job.Result.SHA256)
	return nil
}

// until asks again until done says so, or ctx ends.
func (t *Tour) until(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (t *Tour) printf(format string, args ...any) { fmt.Fprintf(t.Out, format, args...) }
