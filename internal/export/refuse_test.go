package export

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55))
	for _, tt := range []struct {
		why, sql string
		args     []any
		change   func(*Options)
		want     string
	}{
		{"a column twice", "select 1 as a, 2 as a", nil, nil, `column "a" twice`},
		{"no columns", "select", nil, nil, "no columns"},
		{"an XML name", `select 1 as "a b"`, nil, func(o *Options) { o.Format = XML }, `"a b" cannot be an XML element`},
		{"an unknown key", "select 1 as a", nil, func(o *Options) { o.KeyColumns = []string{"b"} }, `the column "b" is not among`},
		{"an unknown format", "select 1 as a", nil, func(o *Options) { o.Format = "XLSX" }, "XLSX"},
		{"SQL that does not parse", "selec 1", nil, nil, "preparing the query"},
		{"too few arguments", "select $1::int as a", nil, nil, "arguments"},
		{"an argument of another type", "select $1::uuid as a", []any{struct{}{}}, nil, "arguments"},
		{"an argument that is no uuid", "select $1::uuid as a", []any{"x"}, nil, "invalid input syntax for type uuid"},
		{"a statement that writes", "insert into v_domains (domain_uuid) values (gen_random_uuid()) returning 1 as a", nil, nil, "read-only"},
		{"an error in the middle", "select 1/(50000-n) as a from generate_series(1,100000) n", nil, nil, "division by zero"},
		{"an error in a late row", "select 1/(100000-n) as a from generate_series(1,100000) n", nil, nil, "division by zero"},
		{"one row too many", "select n as a from generate_series(1,3) n", nil, func(o *Options) { o.MaxRows = 2 }, ErrTooManyRows.Error()},
	} {
		o := Options{Name: "calls.csv", Format: CSV}
		if tt.change != nil {
			tt.change(&o)
		}
		m, err := writeQuery(t.Context(), conn, tt.sql, tt.args, &memory{}, o)
		if err == nil || m.File != "" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.why, err, tt.want)
		}
		if conn.IsClosed() { // as it may be after an error in the middle
			conn = pbxtest.Connect(t, conn.Config().ConnString())
		}
	}
	// The connection still works, and is in no transaction.
	if got, _ := export(t, conn, Options{Format: CSV}, "select 1 as a"); string(got) != "a\n1\n" {
		t.Errorf("got %q after the errors", got)
	}

	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writeQuery(t.Context(), conn, "select 1 as a", nil, &memory{}, Options{Name: "a", Format: CSV}); err == nil || !strings.Contains(err.Error(), "in a transaction already") {
		t.Errorf("in a transaction: error %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Errorf("the caller's transaction did not survive: %v", err)
	}
}

func TestWriteTooManyRows(t *testing.T) {
	t.Parallel()
	url := pbxtest.Database(t, sample.V55)
	conn := pbxtest.Connect(t, url)
	o := Options{Name: "calls.csv", Format: CSV, MaxRows: 10}
	_, err := writeQuery(t.Context(), conn, "select n, repeat('x', 1000) as x from generate_series(1, 10000000) n", nil, &memory{}, o)
	if !errors.Is(err, ErrTooManyRows) {
		t.Errorf("error %v, want ErrTooManyRows", err)
	}
	waitIdle(t, url)

	if conn.IsClosed() {
		conn = pbxtest.Connect(t, url)
	}
	if _, m := export(t, conn, Options{Format: CSV, MaxRows: 10}, "select n from generate_series(1, 10) n"); m.Rows != 10 {
		t.Errorf("just as many rows as allowed: %d written", m.Rows)
	}
}

// TestErrorsKeepTheServersCode lets a caller tell a cancelled statement from a broken one.
func TestErrorsKeepTheServersCode(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55))
	_, err := writeQuery(t.Context(), conn, "select 1/0 as a", nil, &memory{}, Options{Name: "a", Format: CSV})
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "22012" {
		t.Errorf("error %v has no division by zero", err)
	}
}
