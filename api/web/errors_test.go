package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/api/metrics"
	"trunkline/internal/authlog"
	"trunkline/internal/config"
	"trunkline/internal/fault"
	"trunkline/internal/ratelimit"
)

func TestStatusOfAJobsFailure(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{
		fault.InvalidRequest: 400, fault.MissingParameters: 400, fault.InvalidGateway: 422, fault.ProfileUnavailable: 422,
		fault.Conflict: 409, fault.Cancelled: 409, fault.SwitchUnavailable: 503, fault.SwitchTimeout: 504, fault.Timeout: 504,
		fault.InsufficientStorage: 507, fault.SwitchConfiguration: 500, fault.GatewayNotLoaded: 500, fault.WorkerLost: 500,
		fault.ServerError: 500, "a code of a later version": 500,
	} {
		if got := StatusOf(code); got != want {
			t.Errorf("%s: got %d, want %d", code, got, want)
		}
	}
}

func TestFailureOf(t *testing.T) {
	t.Parallel()
	_, refused := pgx.Connect(t.Context(), "postgres://nobody:hidden@127.0.0.1:1/none?sslmode=disable")
	if refused == nil {
		t.Fatal("something listens on port 1")
	}
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"our own":              {fmt.Errorf("reading: %w", fault.Errorf(fault.Forbidden, "no")), fault.Forbidden},
		"a job's":              {fmt.Errorf("planning: %w", fault.Errorf(fault.Conflict, "two")), fault.Conflict},
		"the database is away": {fmt.Errorf("reading users: %w", refused), fault.Unavailable},
		"it shuts down":        {&pgconn.PgError{Code: "57P01", Message: "hidden"}, fault.Unavailable},
		"it has no more room":  {&pgconn.PgError{Code: "53300", Message: "hidden"}, fault.Unavailable},
		"a statement":          {&pgconn.PgError{Code: "42P01", Message: "hidden"}, fault.ServerError},
		"the caller has gone":  {fmt.Errorf("reading: %w", context.Canceled), fault.Unavailable},
		"the time is over":     {fmt.Errorf("reading: %w", context.DeadlineExceeded), fault.Unavailable},
		"something else":       {errors.New("hidden"), fault.ServerError},
	} {
		got := FaultOf(c.err, "id-1")
		if got.Code != c.code || strings.Contains(got.Message, "hidden") {
			t.Errorf("%s: got %s %q, want %s", name, got.Code, got.Message, c.code)
		}
		if got.Code == fault.ServerError && !strings.Contains(got.Message, "id-1") {
			t.Errorf("%s: the request's id is not in %q", name, got.Message)
		}
	}
}

func TestPanicsEndOneRequest(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	f := New(Options{
		Settings: config.Settings{RateLimitUnauthenticated: 1, AuthLog: authlog.Off}, Log: logger,
		Limiter: ratelimit.New(nil, logger), Metrics: metrics.New(metrics.Options{Denials: Denials(), Log: logger}),
	})
	e := f.Handler([]Group{{Endpoints: []Endpoint{{
		Methods: []string{http.MethodGet}, Path: "/app/", Answer: func(*Request) error { panic("hidden cause") },
	}}}})
	recorder := httptest.NewRecorder()
	e.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/app/", nil))
	body := recorder.Body.String()
	if recorder.Code != http.StatusInternalServerError || !strings.Contains(body, `"code":"server_error"`) || strings.Contains(body, "hidden") || strings.Contains(body, ".go:") {
		t.Errorf("got %d %s", recorder.Code, body)
	}
	if !strings.Contains(log.String(), "hidden cause") || !strings.Contains(log.String(), "errors_test.go") {
		t.Errorf("the log lacks the cause: %s", log.String())
	}
}

// Every code that refuses a caller has its count, and no other.
func TestDenialCodes(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Options{Denials: Denials(), Log: slog.New(slog.DiscardHandler)}).Requests
	for code, status := range Statuses {
		counted := m.Denied(code)
		if want := status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests; counted != want {
			t.Errorf("%s (%d): counted %t, want %t", code, status, counted, want)
		}
	}
	if len(Denials()) == 0 {
		t.Error("nothing is a denial")
	}
}
