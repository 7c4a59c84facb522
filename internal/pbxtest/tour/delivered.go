package tour

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"trunkline/internal/pbxtest/servers"
)

// Outside is where the tour has files brought, and who is told of them.
type Outside struct {
	folder   string
	receiver *servers.Receiver
}

// StartOutside starts it, with its files in a new folder below dir. The caller closes it.
func StartOutside(dir string) (*Outside, error) {
	dir = filepath.Join(dir, "outside")
	o := &Outside{folder: filepath.Join(dir, "delivered")}
	if err := os.MkdirAll(o.folder, 0o700); err != nil {
		return nil, fmt.Errorf("making a folder for files that are delivered: %w", err)
	}
	var err error
	o.receiver, err = servers.StartReceiver(dir, nil)
	return o, err
}

// Settings are those that let a Trunkline on this host bring files there and tell, as lines NAME=VALUE.
func (o *Outside) Settings() []string {
	return []string{"TRUNKLINE_DELIVERY_DIR=" + o.folder, "TRUNKLINE_DELIVERY_NETWORKS=127.0.0.0/8", "TRUNKLINE_DELIVERY_CA=" + o.receiver.CAFile}
}

// Close ends it.
func (o *Outside) Close() error { return o.receiver.Close() }

// scheduleName is what the tour calls its schedule.
const scheduleName = "nightly"

// destinations makes a folder and a webhook for files, and has the webhook tested: that message comes, and is signed.
func (t *Tour) destinations(ctx context.Context) error {
	var made struct {
		ID     string `json:"id"`
		Secret string `json:"secret"`
	}
	for _, form := range []url.Values{
		{"name": {"billing"}, "kind": {"folder"}, "folder": {"billing"}, "tenant_domain": {t.domain}},
		{"name": {"hook"}, "kind": {"webhook"}, "webhook_url": {t.Outside.receiver.URL}, "tenant_domain": {t.domain}},
	} {
		if err := t.show(ctx, Call{Method: http.MethodPost, Path: "/v1/destinations", Login: true, Whole: true, Form: form}, http.StatusCreated, &made); err != nil {
			return err
		}
	}
	if t.secret = made.Secret; t.secret == "" {
		return errors.New("the webhook has no secret")
	}
	var tested struct{}
	test := Call{Method: http.MethodPost, Path: "/v1/destinations/" + made.ID + "/test", Login: true, Form: url.Values{}}
	if err := t.show(ctx, test, http.StatusOK, &tested); err != nil {
		return err
	}
	return t.received(ctx, "test", t.secret, nil)
}

// windowFile is what the tour reads of a schedule's window.
type windowFile struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
	Files  []struct {
		JobID      string         `json:"job_id"`
		Name       string         `json:"name"`
		SHA256     string         `json:"sha256"`
		Deliveries map[string]int `json:"deliveries"`
	} `json:"files"`
}

// schedule makes a schedule and runs it now: its file is brought to the folder, and the webhook is told of it.
func (t *Tour) schedule(ctx context.Context) error {
	var made struct {
		ID string `json:"id"`
	}
	err := t.show(ctx, Call{Method: http.MethodPost, Path: "/v1/schedules", Token: t.token, Form: url.Values{
		"name": {scheduleName}, "cron": {"15 0 * * *"}, "time_zone": {"UTC"}, "format": {"CSV"}, "columns": {"billing"}, "destinations": {"billing,hook"},
	}}, http.StatusCreated, &made)
	if err != nil {
		return err
	}
	var begun struct{}
	run := Call{Method: http.MethodPost, Path: "/v1/schedules/" + made.ID + "/run", Token: t.token, Form: url.Values{}}
	if err := t.show(ctx, run, http.StatusAccepted, &begun); err != nil {
		return err
	}
	history := Call{Method: http.MethodGet, Path: "/v1/schedules/" + made.ID + "/windows", Token: t.token}
	var shown struct {
		Windows []windowFile `json:"windows"`
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = t.until(waiting, func() (bool, error) {
		got, err := t.Send(waiting, history)
		if err != nil {
			return false, err
		}
		if err := json.Unmarshal(got.Body, &shown); err != nil || len(shown.Windows) != 1 {
			return false, fmt.Errorf("%d windows in %s: %w", len(shown.Windows), got.Body, err)
		}
		w := shown.Windows[0]
		if w.State == "failed" || len(w.Files) == 1 && w.Files[0].Deliveries["failed"] > 0 {
			return false, fmt.Errorf("it has failed: %s", got.Body)
		}
		return w.State == "succeeded" && len(w.Files) == 1 && w.Files[0].Deliveries["delivered"] == 2, nil
	})
	if err != nil {
		return err
	}
	if err := t.show(ctx, history, http.StatusOK, &shown); err != nil {
		return err
	}
	file := shown.Windows[0].Files[0]
	// A domain's files are in a folder of its own.
	content, err := os.ReadFile(filepath.Join(t.Outside.folder, t.Sample.Domains[0].UUID, "billing", filepath.FromSlash(file.Name)))
	if err != nil {
		return fmt.Errorf("reading the file that was delivered: %w", err)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != file.SHA256 {
		return fmt.Errorf("the file that was delivered has the SHA-256 %x, and the schedule says %s", sum, file.SHA256)
	}
	t.printf("\nfolder> billing/%s: %d bytes, SHA-256 as the schedule says\n", file.Name, len(content))
	return t.received(ctx, "export.ready", t.secret, map[string]string{"job_id": file.JobID, "name": file.Name, "sha256": file.SHA256})
}

// callback has an export told of its end.
func (t *Tour) callback(ctx context.Context) error {
	var made struct {
		Secret string `json:"secret"`
	}
	secret := Call{Method: http.MethodPost, Path: "/v1/webhook-secret", Login: true, Whole: true, Form: url.Values{"tenant_domain": {t.domain}}}
	if err := t.show(ctx, secret, http.StatusCreated, &made); err != nil {
		return err
	}
	t.callbackSecret = made.Secret
	day := time.Now().UTC().AddDate(0, 0, -7).Format(time.DateOnly)
	var job exportJob
	err := t.show(ctx, Call{Method: http.MethodPost, Path: "/app/xml_cdr/export_cdr.php", Token: t.token, Form: url.Values{
		"date_start": {day}, "date_end": {day}, "format": {"CSV"}, "time_zone": {"UTC"}, "wait": {"0"}, "callback_url": {t.Outside.receiver.URL},
	}}, http.StatusAccepted, &job)
	if err != nil {
		return err
	}
	return t.received(ctx, "job.ended", t.callbackSecret, map[string]string{"job_id": job.JobID, "state": "succeeded"})
}

// received waits for a message of that type, which has to be signed with the secret and to say all this, and prints it.
func (t *Tour) received(ctx context.Context, event, secret string, says map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var message struct {
		Type string         `json:"type"`
		Data map[string]any `json:"data"`
	}
	var got servers.Received
	err := t.until(ctx, func() (bool, error) {
		for _, got = range t.Outside.receiver.All() {
			if err := json.Unmarshal(got.Body, &message); err != nil {
				return false, fmt.Errorf("%w in %s", err, got.Body)
			}
			if message.Type == event {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("no message about %s was received: %w", event, err)
	}
	t.printf("webhook> %s\nwebhook> %s\n", got.Header.Get("webhook-signature"), got.Body)
	if secret == "" || !got.SignedWith(secret) {
		return errors.New("the message is not signed with the secret that was shown")
	}
	for name, want := range says {
		if message.Data[name] != want {
			return fmt.Errorf("the message says that %s is %v, and the answer %s", name, message.Data[name], want)
		}
	}
	return nil
}
