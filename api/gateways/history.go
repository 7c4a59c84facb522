package gateways

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/token"
	"trunkline/tasks"
)

// HistoryPage is one page of what was asked of a gateway, newest first.
type HistoryPage struct {
	Changes []HistoryEntry `json:"changes"`
	Next    string         `json:"next,omitempty"` // the after of the next page; absent on the last one
}

// HistoryEntry is what one job was asked to do with a gateway, and what became of that.
type HistoryEntry struct {
	JobID string     `json:"job_id" format:"uuid"`
	Kind  tasks.Kind `json:"kind"`
	Item  int        `json:"item,omitempty"` // of a job of many: which of its items is about the gateway
	State string     `json:"state" enum:"queued,running,succeeded,partial,failed,cancelled,skipped"`
	// Asked is what was asked for: provision makes or changes it, as is needed.
	Asked       string     `json:"asked" enum:"provision,create,change,replace,enable,disable,delete,reregister,reconcile"`
	Action      string     `json:"action,omitempty" enum:"created,updated,unchanged,deleted,absent,reregistered,reconciled"` // what was done
	GatewayName string     `json:"gateway_name,omitempty"`                                                                   // as it was called then
	CreatedBy   string     `json:"created_by"`                                                                               // user@domain, or token:NAME
	CreatedAt   time.Time  `json:"created_at"`
	FinishedAt  *time.Time `json:"finished_at,omitempty"`
	// Changes are the columns that were named, with what each was to be; of a password that alone.
	Changes []gateway.FieldChange `json:"changes"`
	Error   *itemError            `json:"error,omitempty"` // why it was not done
}

func (s *Service) historyEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "gatewayHistory", Summary: "What was asked of a gateway, by whom, and what became of it; newest first",
		Note:    "It is of the jobs that are kept. What FusionPBX's own pages did is in none of them.",
		Methods: []string{"GET"}, Path: onePath + "/history", Entry: web.SignedIn, Scope: token.ScopeRead, Limit: web.LimitGateways,
		Answer: web.JSON(http.StatusOK, s.History), Params: web.PageParams,
		Replies: []web.Reply{{Status: http.StatusOK, About: "A page.", Body: HistoryPage{}}},
		Faults:  []fault.Code{fault.NotFound, fault.ServerError},
	}
}

// History is what was asked of the gateway of the path: by its uuid, by an external_id, or by any name that it had.
func (s *Service) History(r *web.Request) (page HistoryPage, err error) {
	ctx := r.Context()
	row, err := s.rowOfPath(r)
	if err != nil {
		return page, err
	}
	after, limit, err := r.Params.Page()
	if err != nil {
		return page, err
	}
	is := gateway.Request{Name: row.Label(), DomainUUID: row.DomainUUID, GatewayUUID: row.UUID}
	keys := orderKeys(is)
	ids, err := gateway.ExternalIDs(ctx, s.pbx.Pool, []string{row.UUID})
	if err != nil {
		return page, err
	}
	for _, id := range ids[row.UUID] {
		keys = append(keys, externalIDKey(row.DomainUUID, id))
	}
	names, err := s.tasks.KeysBeside(ctx, gateway.UUIDKey(row.UUID), labelKey(is, ""))
	if err != nil {
		return page, err
	}
	return s.readHistory(r, is, append(keys, names...), after, limit)
}

const (
	// historyAtOnce is how many jobs are looked at at a time, and historyMost how many for one page.
	historyAtOnce = 200
	historyMost   = 2000
)

// readHistory looks through the jobs that took turns at the keys for those that are about the gateway, of which a page has up
// to limit. Where many are not it may have fewer, and a next one all the same.
func (s *Service) readHistory(r *web.Request, is gateway.Request, keys []string, after string, limit int) (page HistoryPage, err error) {
	page = HistoryPage{Changes: []HistoryEntry{}}
	for looked := 0; looked < historyMost; looked += historyAtOnce {
		touches, next, err := s.tasks.About(r.Context(), keys, r.Caller.Domains, after, historyAtOnce)
		if err != nil {
			return page, err
		}
		for i, touch := range touches {
			entry, about, err := historyOf(touch, is)
			if err != nil {
				return page, err
			}
			if !about {
				continue
			}
			if page.Changes = append(page.Changes, entry); len(page.Changes) == limit {
				if i < len(touches)-1 || next != "" {
					page.Next = entry.JobID
				}
				return page, nil
			}
		}
		if page.Next, after = next, next; next == "" {
			break
		}
	}
	return page, nil
}

// historyOf is what the job was asked to do with the gateway. about is false if it is about another one, that had or has one
// of its names, or if it only looked at it.
func historyOf(touch tasks.Touch, is gateway.Request) (entry HistoryEntry, about bool, err error) {
	job := touch.Job
	entry = HistoryEntry{JobID: job.ID, Kind: job.Kind, State: string(job.State), CreatedBy: job.CreatedByName, CreatedAt: job.CreatedAt, FinishedAt: job.FinishedAt}
	params, left, failed := job.Params, job.Result, job.Error
	if item := touch.Item; item != nil {
		entry.Item, entry.State = item.Number, string(item.State)
		params, left, failed = item.Params, item.Result, item.Error
	}
	var asked gateway.Request
	if err := json.Unmarshal(params, &asked); err != nil {
		return entry, false, fmt.Errorf("reading the parameters of job %s: %w", job.ID, err)
	}
	var result struct {
		Action      string `json:"action"`
		GatewayUUID string `json:"gateway_uuid"`
	}
	if left != nil {
		if err := json.Unmarshal(left, &result); err != nil {
			return entry, false, fmt.Errorf("reading the result of job %s: %w", job.ID, err)
		}
	}
	switch {
	case result.GatewayUUID != "":
		about = result.GatewayUUID == is.GatewayUUID
	case asked.GatewayUUID != "":
		about = asked.GatewayUUID == is.GatewayUUID
	default: // it did not come as far as to say which one it is
		about = asked.CopyOf == "" && (asked.Name == "" || strings.EqualFold(asked.Name, is.Name))
	}
	entry.Asked, entry.Action, entry.GatewayName, entry.Changes = wordOf(asked), result.Action, asked.Name, changesOf(asked)
	if failed != nil {
		entry.Error = &itemError{Code: failed.Code, Message: failed.Message}
	}
	return entry, about && entry.Asked != "", nil
}

// wordOf is what a request asks for, "" if for nothing.
func wordOf(p gateway.Request) string {
	_, switches := p.Values["enabled"]
	switch {
	case p.Delete:
		return "delete"
	case p.Do != "":
		return p.Do
	case p.Only == gateway.OnlyNew:
		return "create"
	case len(p.Reset) > 0:
		return "replace"
	case !p.Asks(nil) && !p.NamesPassword:
		return ""
	case switches && len(p.Values) == 1 && p.CIDRs == nil && !p.NamesPassword:
		return map[bool]string{true: "enable", false: "disable"}[p.Values["enabled"] == "true"]
	case p.Only == gateway.OnlyExisting:
		return "change"
	}
	return "provision"
}

// changesOf are the columns that a request names, in their order.
func changesOf(p gateway.Request) []gateway.FieldChange {
	changes := []gateway.FieldChange{}
	for _, column := range slices.Sorted(maps.Keys(p.Values)) {
		changes = append(changes, gateway.FieldChange{Field: column, To: new(p.Values[column])})
	}
	if p.NamesPassword {
		changes = append(changes, gateway.FieldChange{Field: "password", Changed: true})
	}
	if p.CIDRs != nil {
		changes = append(changes, gateway.FieldChange{Field: providerCIDRs, To: new(strings.Join(*p.CIDRs, ","))})
	}
	return changes
}
