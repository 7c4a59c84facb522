package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

const (
	// deliveryKills is how often a worker is killed that delivers to one kind of destination.
	deliveryKills = 20
	// deliveredBytes is the size of the file: bringing it takes a moment in which to be killed.
	deliveredBytes = 48 << 20
	// deliveryRequests is how many requests of S3 an attempt makes: it looks for the file, begins, sends ten parts, completes the
	// file, looks at it, and looks for other uploads.
	deliveryRequests = 15
)

// deliveredTo is a kind of destination that workers are killed at.
type deliveredTo struct {
	destinations.Given
	within time.Duration // how long after an attempt began the kill comes at most
	// moment is what awaitKill does, unless the moment is any of within.
	moment func(t *testing.T, chance *rand.Rand, ended func() bool) bool
	env    []string
	// check makes sure that the file of that name is there whole, and nothing else.
	check func(t *testing.T, name, content string)
}

// A worker that is killed at any moment of a delivery leaves it to another: in the end the file is there whole, with nothing
// beside it, and at no moment is there half of it under its name.
func TestWorkerKilledWhileItDelivers(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	database, loaded := loadSample(t, 0, postgrestest.Tables)
	var group sync.WaitGroup // all at once: each waits for a lost heartbeat most of the time
	for kind, to := range map[string]func(*testing.T) deliveredTo{"folder": toFolder, "sftp": toSFTP, "mail": toMail, "s3": toS3, "webhook": toWebhook} {
		group.Go(func() {
			t.Run(kind, func(t *testing.T) {
				p := samplePBXOn(t, pbxtest.Copy(t, database), loaded)
				p.killedDeliveries(t, rand.New(rand.NewPCG(seed, uint64(len(kind)))), to(t))
			})
		})
	}
	group.Wait()
}

func toFolder(t *testing.T) deliveredTo {
	dir := t.TempDir()
	return deliveredTo{
		Given: destinations.Given{Kind: "folder", Values: destinations.Values{"folder": "billing"}}, within: 200 * time.Millisecond,
		env:   []string{"TRUNKLINE_DELIVERY_DIR=" + dir},
		check: func(t *testing.T, name, content string) { wantAlone(t, filepath.Join(dir, "billing"), name, content) },
	}
}

func toSFTP(t *testing.T) deliveredTo {
	server := pbxtest.StartSSHD(t, "")
	host, port, err := net.SplitHostPort(server.Addr())
	must(t, err)
	return deliveredTo{
		Given: destinations.Given{Kind: "sftp", Values: destinations.Values{
			"host": host, "port": port, "login": server.Login, "private_key": server.Key, "host_key": server.HostKey, "folder": "billing", "make_folders": "true",
		}},
		within: 600 * time.Millisecond,
		env:    []string{"TRUNKLINE_DELIVERY_NETWORKS=127.0.0.0/8"},
		check: func(t *testing.T, name, content string) {
			wantAlone(t, filepath.Join(server.Files(), "billing"), name, content)
		},
	}
}

// wantAlone checks that a folder holds files of that content, that one among them, and nothing else.
func wantAlone(t *testing.T, dir, name, content string) {
	t.Helper()
	found := false
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		got, err := os.ReadFile(path)
		if string(got) != content || strings.HasPrefix(entry.Name(), ".") {
			t.Errorf("%s has %d bytes, want %d of the file", path, len(got), len(content))
		}
		found = found || entry.Name() == name
		return err
	}))
	if !found {
		t.Errorf("there is no %s", name)
	}
}

// toMail is a server that takes a second for each mail: one that it has taken then may come again, as the same.
func toMail(t *testing.T) deliveredTo {
	server := pbxtest.StartSMTPD(t)
	return deliveredTo{
		Given: destinations.Given{Kind: "mail", Values: destinations.Values{
			"host": "127.0.0.1", "port": fmt.Sprint(server.StartTLS), "login": server.Login, "login_password": server.Password, "mail_from": "cdr@pbx.example", "mail_to": "slow@customer.example",
		}},
		within: 1500 * time.Millisecond,
		env:    []string{"TRUNKLINE_DELIVERY_NETWORKS=127.0.0.0/8", "TRUNKLINE_DELIVERY_CA=" + server.CAFile},
		check: func(t *testing.T, name, _ string) {
			mails, err := server.Mails()
			must(t, err)
			ids := map[string]bool{}
			for _, text := range mails {
				read, err := mail.ReadMessage(strings.NewReader(text))
				must(t, err)
				if !strings.Contains(text, name) {
					continue
				}
				ids[read.Header.Get("Message-Id")] = true
				if !strings.HasSuffix(strings.TrimSpace(text), "nobody else.") {
					t.Errorf("half of a mail: %s", text)
				}
			}
			if len(ids) != 1 {
				t.Errorf("the mails about %s are called %v", name, ids)
			}
		},
	}
}

// toS3 is a bucket behind a proxy that has workers be killed at any request of a delivery, before it has arrived, halfway, and
// after.
func toS3(t *testing.T) deliveredTo {
	s := pbxtest.S3(t)
	bucket := pbxtest.NewBucket(t, s)
	proxy, ca := pbxtest.NewSecureProxy(t, s.URL())
	k := newKillAt(func(*http.Request) bool { return false })
	proxy.Meddle(k.meddle)
	unfinished := 0
	t.Cleanup(func() {
		if unfinished == 0 && !t.Failed() {
			t.Error("no worker was killed in the middle of an upload")
		}
	})
	return deliveredTo{
		Given: destinations.Given{Kind: "s3", Values: destinations.Values{
			"bucket": bucket, "folder": "billing", "region": servers.S3Region, "endpoint": proxy.URL, "access_key": servers.S3AccessKey, "secret_key": servers.S3SecretKey,
		}},
		env: []string{"TRUNKLINE_DELIVERY_NETWORKS=127.0.0.0/8", "TRUNKLINE_DELIVERY_CA=" + ca},
		moment: func(t *testing.T, chance *rand.Rand, ended func() bool) bool {
			k.arm(chance.IntN(deliveryRequests), arrivals[chance.IntN(len(arrivals))])
			held := k.awaits(t, ended)
			if n, err := s.Unfinished(t.Context(), bucket); err != nil || n > 0 {
				must(t, err)
				unfinished++
			}
			return held
		},
		check: func(t *testing.T, name, content string) {
			k.disarm()
			names, err := s.Names(t.Context(), bucket)
			must(t, err)
			for _, file := range names {
				if got, err := s.Read(bucket, file); err != nil || string(got) != content {
					t.Errorf("%s has %d bytes, want %d of the file; %v", file, len(got), len(content), err)
				}
			}
			if !slices.Contains(names, "billing/"+name) {
				t.Errorf("there is no %s", name)
			}
			if n, err := s.Unfinished(t.Context(), bucket); err != nil || n != 0 {
				t.Errorf("%d uploads are left, %v", n, err)
			}
		},
	}
}

// toWebhook is a receiver that takes most of a second for each message: one that it has got then may come again, under the id
// that it had.
func toWebhook(t *testing.T) deliveredTo {
	const takes = 800 * time.Millisecond
	receiver := pbxtest.NewReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(takes):
		case <-r.Context().Done(): // whoever sent it was killed
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return deliveredTo{
		Given:  destinations.Given{Kind: "webhook", Values: destinations.Values{"webhook_url": receiver.URL}},
		within: 1200 * time.Millisecond,
		env:    []string{"TRUNKLINE_DELIVERY_NETWORKS=127.0.0.0/8", "TRUNKLINE_DELIVERY_CA=" + receiver.CAFile},
		check: func(t *testing.T, name, content string) {
			sum := sha256.Sum256([]byte(content))
			ids, times := map[string]bool{}, 0
			for _, got := range receiver.All() {
				var message struct {
					Type string
					Data struct{ Name, SHA256 string }
				}
				must(t, json.Unmarshal(got.Body, &message))
				if message.Data.Name != name {
					continue
				}
				times++
				ids[got.Header.Get("webhook-id")] = true
				if message.Type != "export.ready" || message.Data.SHA256 != hex.EncodeToString(sum[:]) {
					t.Errorf("got %s", got.Body)
				}
			}
			t.Logf("the message about %s was received %d times", name, times)
			if len(ids) != 1 || ids[""] {
				t.Errorf("the messages about %s have the ids %v", name, ids)
			}
		},
	}
}

// killedDeliveries kills workers that deliver, until it has done so as often as the test wants.
func (p *samplePBX) killedDeliveries(t *testing.T, chance *rand.Rand, to deliveredTo) {
	p.open(t)
	content := strings.Repeat(fmt.Sprintf("%x,a call\n", chance.Uint64()), deliveredBytes/24)
	start := func() *pbxtest.Process {
		return p.start(t, "worker", append([]string{
			"TRUNKLINE_HEARTBEAT_INTERVAL=100ms", "TRUNKLINE_HEARTBEAT_TIMEOUT=1500ms", "TRUNKLINE_SWEEP_INTERVAL=200ms", "TRUNKLINE_JOB_MAX_ATTEMPTS=1000",
			"TRUNKLINE_DELIVER_RETRY_FIRST=100ms", "TRUNKLINE_DELIVER_RETRY_MOST=1s", "TRUNKLINE_PUBLIC_URL=https://pbx.example",
		}, to.env...)...)
	}
	to.Name, to.Enabled, to.CreatedBy = "billing", true, "superadmin"
	destination, err := destinations.New(p.pool, p.client.Keys(), config.Settings{}).Create(t.Context(), to.Given)
	must(t, err)
	worker := start()
	export := p.exportOf(t, content)
	for kills, files := 0, 0; kills < deliveryKills; files++ {
		name := fmt.Sprintf("calls-%d.csv", files)
		job := p.deliver(t, export, destination.ID, name)
		attempt := 0
		for {
			pbxtest.Eventually(t, "the next attempt runs", func() bool {
				now, err := p.client.Get(t.Context(), job.ID, tenant.All)
				must(t, err)
				next := now.Attempt > attempt
				attempt = now.Attempt
				return next || now.State.Done()
			})
			if kills == deliveryKills {
				break
			}
			if !p.awaitKill(t, chance, to, job) {
				break
			}
			worker.Kill()
			kills++
			worker = start()
		}
		ended, err := p.client.Wait(t.Context(), job.ID, patience)
		must(t, err)
		if ended.State != tasks.StateSucceeded {
			t.Fatalf("the delivery is %s: %v\n%s", ended.State, ended.Error, worker.Log)
		}
		t.Logf("%s is delivered at attempt %d, after %d kills in all: %s", name, ended.Attempt, kills, ended.Result)
		to.check(t, name, content)
	}
}

// awaitKill waits for the moment of a kill; false: the delivery has ended before.
func (p *samplePBX) awaitKill(t *testing.T, chance *rand.Rand, to deliveredTo, job tasks.Job) bool {
	t.Helper()
	if to.moment != nil {
		return to.moment(t, chance, func() bool { return p.ended(t, job) })
	}
	now, err := p.client.Wait(t.Context(), job.ID, time.Duration(chance.Int64N(int64(to.within))))
	must(t, err)
	return !now.State.Done()
}

// exportOf records an export whose file has that content.
func (p *samplePBX) exportOf(t *testing.T, content string) tasks.Job {
	t.Helper()
	id, err := uuid.NewV7()
	must(t, err)
	sum := sha256.Sum256([]byte(content))
	result := cdr.Result{
		File: id.String() + ".csv", Format: "CSV", TotalRecords: 1, Bytes: int64(len(content)), SHA256: hex.EncodeToString(sum[:]),
		DateRange: "2026-11-27 to 2026-11-27", TimeZone: "UTC", ExpiresAt: time.Now().Add(time.Hour),
	}
	must(t, os.MkdirAll(p.exports(), 0o700))
	must(t, os.WriteFile(filepath.Join(p.exports(), result.File), []byte(content), 0o600))
	job, err := p.client.Record(t.Context(), id.String(), tasks.NewJob{
		Kind: tasks.KindExport, CreatedBy: p.sample.SuperadminUUID, CreatedByName: "superadmin", Subject: "export:", BodyHash: []byte(id.String()),
		Params: outbox.ExportParams{Request: cdr.Request{Format: "CSV"}},
	}, result)
	must(t, err)
	return job
}

// deliver has an export's file brought to a destination, and returns the job that does so.
func (p *samplePBX) deliver(t *testing.T, export tasks.Job, destination, name string) tasks.Job {
	t.Helper()
	var made []outbox.Delivery
	must(t, pgx.BeginFunc(t.Context(), p.pool, func(tx pgx.Tx) (err error) {
		made, err = outbox.NewBox(p.pool, p.client).Add(t.Context(), tx, []outbox.New{{
			CreatedBy: p.sample.SuperadminUUID, CreatedByName: "superadmin", DestinationID: destination, ExportJobID: export.ID, Event: outbox.EventFile, Name: name,
		}})
		return err
	}))
	p.client.Admit(t.Context())
	job, err := p.client.Get(t.Context(), made[0].JobID, tenant.All)
	must(t, err)
	return job
}
