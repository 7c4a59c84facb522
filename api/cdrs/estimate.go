package cdrs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

const (
	// mostCounted is up to how many rows an estimate counts them.
	mostCounted = 50_000
	// countTimeout is for how long it does.
	countTimeout = 2 * time.Second
	// cancelled is the code of Postgres for a statement that took too long.
	cancelled = "57014"
)

// Estimate is how many rows an export would have.
type Estimate struct {
	cdr.Window
	Rows  int64 `json:"rows"`
	Exact bool  `json:"exact"` // they were counted; else it is what the database's planner thinks, which can be far off
}

func (s *Service) estimateEndpoints() []web.Endpoint {
	return []web.Endpoint{{
		ID: "estimateExport", Summary: "Estimate how many rows an export has",
		Note:    "By the parameters of an export, which are judged as those of one. Up to " + fmt.Sprint(mostCounted) + " rows are counted, as far as that is quick.",
		Methods: []string{"GET"}, Path: "/v1/cdr/estimate", Entry: web.SignedIn, Scope: token.ScopeExport, AtOnce: []web.AtOnce{web.AtOnceReads},
		Answer:  web.JSON(http.StatusOK, s.Estimate),
		Params:  slices.Concat(windowParams, exportTenantParams, ContentParams()),
		Replies: []web.Reply{{Status: 200, About: "The estimate.", Body: Estimate{}}},
		Faults:  []fault.Code{fault.MissingParameters, fault.NotFound},
	}}
}

// Estimate says how many rows an export of the request would have.
func (s *Service) Estimate(r *web.Request) (e Estimate, err error) {
	p, _, err := s.requestOf(r)
	if err != nil {
		return e, err
	}
	e.Window = p.Window
	settings := "select set_config('statement_timeout', '" + countTimeout.String() + "', true)"
	err = s.read(r, p.DomainUUID, settings, func(ctx context.Context, tx pgx.Tx) (err error) {
		e.Rows, err = s.db.In(tx).CountCDRs(ctx, p.Holds(), mostCounted+1)
		return err
	})
	if pg, said := errors.AsType[*pgconn.PgError](err); said && pg.Code == cancelled && r.Context().Err() == nil {
		e.Rows, err = mostCounted+1, nil // more than can be counted, for all that is known
	}
	if err != nil {
		return e, err
	}
	if e.Exact = e.Rows <= mostCounted; e.Exact {
		return e, nil
	}
	e.Rows, err = s.exporter.EstimateRows(r.Context(), p)
	return e, err
}
