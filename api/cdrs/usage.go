package cdrs

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/token"
)

const (
	// maxUsageDays bounds the span of one question about usage, which reads all its CDRs.
	maxUsageDays = 366
	// clockChange is by how much a span of whole days may be longer if the clock is put back in it.
	clockChange = 2 * time.Hour
)

// Usage is what the caller's domains used within a span.
type Usage struct {
	cdr.Window
	Domains []UsageOfDomain `json:"domains"`
}

// UsageOfDomain is what one domain used.
type UsageOfDomain struct {
	fusionpbx.DomainUsage
	Peaks *Peaks `json:"peaks,omitempty"` // channels in use at the same moment, if they are asked for
}

func (s *Service) usageEndpoints() []web.Endpoint {
	return []web.Endpoint{{
		ID: "getUsage", Summary: "What each domain used in a span", Methods: []string{"GET"}, Path: "/v1/usage",
		Entry: web.SignedIn, Scope: token.ScopeRead, AtOnce: []web.AtOnce{web.AtOnceReads}, Answer: web.JSON(http.StatusOK, s.Usage),
		Params: slices.Concat(web.TenantParams, windowParams, []web.Param{
			peaksParam,
		}),
		Replies: []web.Reply{{Status: 200, About: "Every domain that the caller sees, those without calls too.", Body: Usage{}}},
		Faults:  []fault.Code{fault.MissingParameters, fault.NotFound},
	}}
}

// Usage sums up the usage of all domains that the caller sees, or of the one named, for billing.
func (s *Service) Usage(r *web.Request) (answer Usage, err error) {
	q, err := r.Domains()
	if err != nil {
		return answer, err
	}
	asked, err := peaksOf(r)
	if err != nil {
		return answer, err
	}
	span, domainUUID := windowOf(r), ""
	if len(q.List) == 1 {
		domainUUID = q.List[0].UUID // in whose time zone dates are; those of several are in the default one
	}
	if err := span.Resolve(r.Context(), s.db, domainUUID); err != nil {
		return answer, err
	}
	if err := atMostAYear(span); err != nil {
		return answer, err
	}
	filter := fusionpbx.UsageFilter{Domains: q, Start: span.Start, End: span.End}
	starts := asked.starts(span)
	var domains []fusionpbx.DomainUsage
	var found []fusionpbx.CDRPeak
	// A bill can wait a moment longer: each question has one process of the server, and leaves the others to calls.
	err = s.read(r, domainUUID, "set local max_parallel_workers_per_gather to 0", func(ctx context.Context, tx pgx.Tx) (err error) {
		db := s.db.In(tx)
		if domains, err = db.Usage(ctx, filter); err != nil || !asked.any() {
			return err
		}
		found, err = db.UsagePeaks(ctx, filter, starts, maxPeaks+1)
		return err
	})
	if err != nil {
		return answer, err
	}
	if err := asked.check(found); err != nil {
		return answer, err
	}
	answer = Usage{Window: span, Domains: make([]UsageOfDomain, len(domains))}
	for i, domain := range domains {
		answer.Domains[i].DomainUsage = domain
	}
	if !asked.any() {
		return answer, nil
	}
	peaks := byDomain(found)
	for i, domain := range domains {
		of := asked.of(starts, peaks[domain.DomainUUID])
		answer.Domains[i].Peaks = &of
	}
	return answer, nil
}

// atMostAYear refuses a longer span.
func atMostAYear(span cdr.Window) error { return AtMostDays(span, maxUsageDays) }

// AtMostDays refuses a resolved span of more days than that, as fault.InvalidRequest, which names date_end.
func AtMostDays(span cdr.Window, days int) error {
	if span.End.Sub(span.Start) > time.Duration(days)*24*time.Hour+clockChange {
		return fault.Invalid("date_end", "is more than %d days after date_start; ask for a shorter span", days)
	}
	return nil
}
