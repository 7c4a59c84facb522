package cdrs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
	"trunkline/internal/token"
)

const (
	// usualSpan is how far back the list goes if no span is asked for.
	usualSpan = 24 * time.Hour
	// listTimeout bounds one question of somebody who looks.
	listTimeout = 10 * time.Second
)

// List is a page of CDRs.
type List struct {
	cdr.Window
	CDRs json.RawMessage `json:"cdrs" items:"Record"` // the newest first
	Next string          `json:"next,omitempty"`      // the after of the next page; absent on the last one
}

// Shown is one CDR.
type Shown struct {
	CDR json.RawMessage `json:"cdr"`
}

func (s *Service) listEndpoints() []web.Endpoint {
	return []web.Endpoint{
		{
			ID: "listCDRs", Summary: "List CDRs, the newest first", Note: "For looking rather than exporting: without dates, those of the last 24 hours. Times are in the time zone.",
			Methods: []string{"GET"}, Path: "/v1/cdr", Entry: web.SignedIn, Scope: token.ScopeExport, AtOnce: []web.AtOnce{web.AtOnceReads},
			Answer: web.JSON(http.StatusOK, s.List),
			Params: slices.Concat([]web.Param{
				{Name: "date_start", About: "The first day, or moment."}, {Name: "date_end", About: "The last day, or moment: inclusive."}, zoneParam,
				{Name: "columns", About: "Columns of v_xml_cdr, separated by commas; or the set billing, fusionpbx or all. xml_cdr_uuid is always there."},
			}, web.TenantParams, filterParams, web.PageParams),
			Replies: []web.Reply{{Status: 200, About: "A page of CDRs.", Body: List{}}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound, fault.Timeout},
		},
		{
			ID: "getCDR", Summary: "Show a CDR", Methods: []string{"GET"}, Path: "/v1/cdr/:uuid", Entry: web.SignedIn, Scope: token.ScopeExport,
			AtOnce: []web.AtOnce{web.AtOnceReads}, Answer: web.JSON(http.StatusOK, s.ShowCDR),
			Params:  append(slices.Clone(web.TenantParams), zoneParam),
			Replies: []web.Reply{{Status: 200, About: "The CDR, with every column that can be asked for.", Body: Shown{}}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound, fault.Timeout},
		},
	}
}

// List lists the CDRs of a span.
func (s *Service) List(r *web.Request) (list List, err error) {
	t, err := tenantOf(r)
	if err != nil {
		return list, err
	}
	asked := cdr.Request{DomainUUID: t.UUID, Window: usualWindowOf(r)}
	if asked.Columns, err = cdr.ListedColumns(columnsAsked(r.Params), t.UUID == ""); err != nil {
		return list, fault.Errorf(fault.InvalidRequest, "%w", err)
	}
	if asked.Filter, err = filterOf(r.Params); err != nil {
		return list, err
	}
	if err := asked.Resolve(r.Context(), s.db); err != nil {
		return list, err
	}
	after, limit, err := r.Params.Page()
	if err != nil {
		return list, err
	}
	if len(asked.Columns) > 0 && !slices.Contains(asked.Columns, keyColumn) {
		asked.Columns = append(slices.Clone(asked.Columns), keyColumn)
	}
	var rows []json.RawMessage
	err = s.look(r, t.UUID, func(ctx context.Context, tx pgx.Tx) (err error) {
		rows, err = cdr.Look(ctx, tx, s.db, asked, after, limit+1) // one more: whether there are more
		return err
	})
	if errors.Is(err, fusionpbx.ErrNotFound) {
		return list, fault.Invalid("after", "there is no such CDR any more; begin with the first page again")
	}
	if err != nil {
		return list, err
	}
	list.Window = asked.Window
	if len(rows) > limit {
		rows = rows[:limit]
		var last struct {
			UUID string `json:"xml_cdr_uuid"`
		}
		if err := json.Unmarshal(rows[limit-1], &last); err != nil {
			return list, err
		}
		list.Next = last.UUID
	}
	list.CDRs, err = json.Marshal(append([]json.RawMessage{}, rows...))
	return list, err
}

// keyColumn is by what a list goes on.
const keyColumn = "xml_cdr_uuid"

// ShowCDR shows the path's CDR.
func (s *Service) ShowCDR(r *web.Request) (shown Shown, err error) {
	t, err := tenantOf(r)
	if err != nil {
		return shown, err
	}
	uuid := r.Path("uuid")
	if !postgres.IsUUID(uuid) {
		return shown, errNoCDR
	}
	zone, err := cdr.Zone(r.Context(), s.db, t.UUID, r.Params.Get("time_zone"))
	if err != nil {
		return shown, err
	}
	asked := cdr.Request{DomainUUID: t.UUID, Window: cdr.Window{TimeZone: zone.String()}}
	err = s.look(r, t.UUID, func(ctx context.Context, tx pgx.Tx) (err error) {
		shown.CDR, err = cdr.LookAt(ctx, tx, s.db, asked, uuid)
		return err
	})
	if errors.Is(err, fusionpbx.ErrNotFound) {
		return shown, errNoCDR
	}
	return shown, err
}

var errNoCDR = fault.Errorf(fault.NotFound, "there is no such CDR")

// look reads in a transaction that is ended if it takes too long.
func (s *Service) look(r *web.Request, domainUUID string, read func(context.Context, pgx.Tx) error) error {
	err := s.read(r, domainUUID, "select set_config('datestyle', 'ISO', true), set_config('statement_timeout', '"+listTimeout.String()+"', true)", read)
	if pg, said := errors.AsType[*pgconn.PgError](err); said && pg.Code == cancelled && r.Context().Err() == nil {
		return fault.Errorf(fault.Timeout, "date_start: to find these CDRs takes longer than %s; ask for a shorter span, or have the index made that leads to them: trunkline migrate --cdr-index", listTimeout)
	}
	return err
}

// read reads in a transaction with these settings, of which a domain has no more at once than its share.
func (s *Service) read(r *web.Request, domainUUID, settings string, read func(context.Context, pgx.Tx) error) error {
	leave, err := r.Place(web.AtOnceReads, domainUUID)
	if err != nil {
		return err
	}
	defer leave()
	return s.db.Again(r.Context(), func() error {
		return pgx.BeginTxFunc(r.Context(), s.exporter.PBX.Pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			if _, err := tx.Exec(r.Context(), settings); err != nil {
				return err
			}
			return read(r.Context(), tx)
		})
	})
}
