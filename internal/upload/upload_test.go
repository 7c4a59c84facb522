package upload_test

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/sealing"
	"trunkline/internal/upload"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

var must = pbxtest.Must

const secret = "s3cret of a gateway"

func open(t *testing.T) *upload.Store {
	t.Helper()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, postgrestest.Tables))
	keys, err := sealing.NewKeys(make([]byte, 32))
	must(t, err)
	return &upload.Store{Pool: pool, Keys: keys}
}

// session is one that somebody has.
func session(t *testing.T, s *upload.Store) string {
	t.Helper()
	id := uuid.NewString()
	_, err := s.Pool.Exec(t.Context(), `insert into trunkline.sessions (id, secret_hash, holder_id, mark_hash, who, way, address, agent, expires_at)
		values ($1, $2, gen_random_uuid(), '', '', 'password', '', '', now() + interval '1 hour')`, id, []byte(id))
	must(t, err)
	return id
}

func keep(t *testing.T, s *upload.Store, sessionID, domainUUID string) string {
	t.Helper()
	id, err := s.Keep(t.Context(), upload.New{
		SessionID: sessionID, DomainUUID: domainUUID, CheckedBy: uuid.NewString(),
		File: upload.File{Content: []byte("name;secret\n\xff;" + secret), Media: "text/csv", Options: map[string]string{"tenant_domain": "one.example"}},
	})
	must(t, err)
	return id
}

func want(t *testing.T, s *upload.Store, what, sessionID, id string, want error) {
	t.Helper()
	if _, _, err := s.Open(t.Context(), sessionID, id); !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// A file comes back byte by byte to its session alone, and nobody reads it in the database.
func TestKeep(t *testing.T) {
	t.Parallel()
	s := open(t)
	mine, theirs := session(t, s), session(t, s)
	id := keep(t, s, mine, "")
	kept, file, err := s.Open(t.Context(), mine, id)
	must(t, err)
	if string(file.Content) != "name;secret\n\xff;"+secret || file.Media != "text/csv" || file.Options["tenant_domain"] != "one.example" || kept.Bytes != len(file.Content) {
		t.Errorf("got %+v, %+v", kept, file)
	}
	if left := time.Until(kept.ExpiresAt); left > upload.Life || left < upload.Life-time.Minute || upload.Life >= time.Hour {
		t.Errorf("it is kept for %v", left)
	}
	for of, n := range map[string]int{mine: 1, theirs: 0} {
		if list, err := s.List(t.Context(), of); err != nil || len(list) != n || n > 0 && list[0] != kept {
			t.Errorf("got %+v, %v", list, err)
		}
	}
	want(t, s, "another session's", theirs, id, upload.ErrNone)
	want(t, s, "none", mine, uuid.NewString(), upload.ErrNone)
	want(t, s, "nonsense", mine, "' or true --", upload.ErrNone)
	if err := s.Drop(t.Context(), theirs, id); !errors.Is(err, upload.ErrNone) {
		t.Errorf("another session drops it: %v", err)
	}
	var row []byte
	must(t, s.Pool.QueryRow(t.Context(), "select sealed from trunkline.uploads").Scan(&row))
	if bytes.Contains(row, []byte(secret)) {
		t.Error("the secret can be read")
	}
	must(t, s.Drop(t.Context(), mine, id))
	want(t, s, "a dropped one", mine, id, upload.ErrNone)
}

// What was applied is dropped, and its job stays known.
func TestApplied(t *testing.T) {
	t.Parallel()
	s := open(t)
	mine := session(t, s)
	id, job := keep(t, s, mine, ""), uuid.NewString()
	must(t, s.Applied(t.Context(), session(t, s), id, uuid.NewString()))
	must(t, s.Applied(t.Context(), mine, id, job))
	kept, file, err := s.Open(t.Context(), mine, id)
	if must(t, err); kept.AppliedBy != job || file.Content != nil {
		t.Errorf("got %+v, %+v", kept, file)
	}
	if n := left(t, s, "sealed is not null"); n != 0 {
		t.Error("it is still sealed there")
	}
}

func left(t *testing.T, s *upload.Store, where string) (n int) {
	t.Helper()
	must(t, s.Pool.QueryRow(t.Context(), "select count(*) from trunkline.uploads where "+where).Scan(&n))
	return n
}

// However many come at once, no more are kept than may be.
func TestNoMoreAreKeptAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	mine, domain := session(t, s), uuid.NewString()
	var all sync.WaitGroup
	for range 4 * upload.PerSession {
		all.Go(func() { keep(t, s, mine, domain) })
	}
	all.Wait()
	if n := left(t, s, "true"); n != upload.PerSession {
		t.Errorf("%d are kept, want %d", n, upload.PerSession)
	}
}

// A file goes with its session, and when its time is over.
func TestFilesGo(t *testing.T) {
	t.Parallel()
	s := open(t)
	ended, goes := session(t, s), session(t, s)
	keep(t, s, ended, "")
	old, other := keep(t, s, goes, ""), keep(t, s, goes, "")
	_, err := s.Pool.Exec(t.Context(), "delete from trunkline.sessions where id = $1", ended)
	must(t, err)
	_, err = s.Pool.Exec(t.Context(), "update trunkline.uploads set expires_at = now() - interval '1 second' where id = $1", old)
	must(t, err)
	want(t, s, "past its time", goes, old, upload.ErrNone)
	want(t, s, "the other", goes, other, nil)
	if n := left(t, s, "true"); n != 2 {
		t.Errorf("%d files are left of the session that has ended and the other", n)
	}
	deleted, err := s.Prune(t.Context())
	if must(t, err); deleted != 1 || left(t, s, "true") != 1 {
		t.Errorf("%d were deleted", deleted)
	}
}

// One more than a session or a domain may have is in place of its oldest one, and of no other's.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := open(t)
	domain, others := uuid.NewString(), session(t, s)
	elsewhere, everybodys := keep(t, s, others, uuid.NewString()), keep(t, s, others, "")
	var ids []string
	var sessions []string
	for range upload.PerDomain {
		mine := session(t, s)
		sessions, ids = append(sessions, mine), append(ids, keep(t, s, mine, domain))
	}
	first := sessions[0]
	for range upload.PerSession {
		keep(t, s, first, domain)
	}
	if n := left(t, s, "domain_uuid = '"+domain+"'"); n != upload.PerDomain {
		t.Errorf("the domain has %d", n)
	}
	for i, id := range ids {
		gone := error(nil)
		if i < upload.PerSession {
			gone = upload.ErrNone
		}
		want(t, s, "of a session", sessions[i], id, gone)
	}
	want(t, s, "of another domain", others, elsewhere, nil)
	want(t, s, "of all domains", others, everybodys, nil)
	var own []string
	for range upload.PerSession + 1 {
		own = append(own, keep(t, s, others, ""))
	}
	want(t, s, "the session's oldest", others, elsewhere, upload.ErrNone)
	want(t, s, "an older one", others, own[0], upload.ErrNone)
	if n := left(t, s, "session_id = '"+others+"'"); n != upload.PerSession {
		t.Errorf("the session has %d", n)
	}
}
