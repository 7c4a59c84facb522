package gateways

import (
	"context"
	"encoding/json"
	"fmt"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/gateway/table"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// Item is one item of a job of many gateways.
type Item struct {
	Number       int             `json:"number"`         // from 1, in the order of the request
	Line         int             `json:"line,omitempty"` // where it begins in the file
	State        tasks.ItemState `json:"state"`
	Action       string          `json:"action,omitempty" enum:"created,updated,unchanged,deleted,absent,reregistered,reconciled,add,change,delete,conflict"` // what was done or, of a dry run, would be
	GatewayUUID  string          `json:"gateway_uuid,omitempty" format:"uuid"`
	GatewayName  string          `json:"gateway_name,omitempty"` // as it is to be called
	TenantDomain string          `json:"tenant_domain"`          // its domain, or global
	ExternalID   string          `json:"external_id,omitempty"`
	GatewayState string          `json:"gateway_state,omitempty"` // FreeSWITCH's word for the registration, or NOT_LOADED
	Error        *itemError      `json:"error,omitempty"`         // why it was not done
	// Changes are, of a dry run, the columns that would be changed; of a password that alone.
	Changes []gateway.FieldChange `json:"changes,omitempty"`
}

type itemError struct {
	Code    fault.Code `json:"code"`
	Field   string     `json:"field,omitempty"` // the parameter, if one is to blame
	Message string     `json:"message"`
}

// shownItem is an item with what it was made of.
func shownItem(job tasks.Job, of gateway.Bulk, item tasks.Item) (shown Item, asked gateway.BulkItem, err error) {
	if err := json.Unmarshal(item.Params, &asked); err != nil {
		return shown, asked, fmt.Errorf("reading the parameters of item %d of job %s: %w", item.Number, job.ID, err)
	}
	shown = Item{
		Number: item.Number, Line: asked.Line, State: item.State, GatewayUUID: asked.GatewayUUID, GatewayName: asked.Name,
		TenantDomain: asked.DomainName, ExternalID: asked.ExternalID,
	}
	if asked.DomainUUID == "" {
		shown.TenantDomain = tenant.Global
	}
	if name := asked.NewName(); name != "" {
		shown.GatewayName = name
	}
	if item.Error != nil {
		shown.Error = &itemError{Code: item.Error.Code, Message: item.Error.Message}
		if match := named.FindStringSubmatch(item.Error.Message); match != nil {
			shown.Error.Field = match[1]
		}
		if of.DryRun && item.State == tasks.ItemFailed {
			shown.Action = gateway.InConflict
		}
	}
	if item.Result == nil {
		return shown, asked, nil
	}
	var result struct { // of a gateway.Result or a gateway.Difference
		Action       string                `json:"action"`
		GatewayUUID  string                `json:"gateway_uuid"`
		GatewayName  string                `json:"gateway_name"`
		GatewayState string                `json:"gateway_state"`
		Changes      []gateway.FieldChange `json:"changes"`
	}
	if err := json.Unmarshal(item.Result, &result); err != nil {
		return shown, asked, fmt.Errorf("reading the result of item %d of job %s: %w", item.Number, job.ID, err)
	}
	shown.Action, shown.GatewayState, shown.Changes = result.Action, result.GatewayState, result.Changes
	if result.GatewayUUID != "" {
		shown.GatewayUUID = result.GatewayUUID
	}
	if result.GatewayName != "" {
		shown.GatewayName = result.GatewayName
	}
	return shown, asked, nil
}

// bulkOf is what the job was asked to do with its items.
func bulkOf(job tasks.Job) (of gateway.Bulk, err error) {
	if err := json.Unmarshal(job.Params, &of); err != nil {
		return of, fmt.Errorf("reading the parameters of job %s: %w", job.ID, err)
	}
	return of, nil
}

// ShowItems are items of a bulk job as callers see them.
func ShowItems(job tasks.Job, items []tasks.Item) ([]Item, error) {
	of, err := bulkOf(job)
	if err != nil {
		return nil, err
	}
	all := make([]Item, len(items))
	for i, item := range items {
		if all[i], _, err = shownItem(job, of, item); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// itemsAtOnce is how many items are read at a time.
const itemsAtOnce = 1000

// eachItem hands on the job's items in that state ("" for any).
func (s *Service) eachItem(ctx context.Context, job tasks.Job, state tasks.ItemState, do func([]tasks.Item) error) error {
	for after := 0; ; {
		items, next, err := s.tasks.Items(ctx, job, tasks.ItemFilter{State: state, After: after, Limit: itemsAtOnce})
		if err == nil {
			err = do(items)
		}
		if err != nil || next == 0 {
			return err
		}
		after = next
	}
}

// resultColumns stand after those of the file.
var resultColumns = []string{"state", "action", "gateway_uuid", "code", "error"}

// ItemsFile writes the job's items as CSV: the rows of its file without secrets, and what became of each. It can be
// corrected and sent again.
func (s *Service) ItemsFile(r *web.Request, job tasks.Job, state tasks.ItemState) error {
	of, err := bulkOf(job)
	if err != nil {
		return err
	}
	if of.File == nil {
		of.File = &gateway.BulkFile{}
	}
	header := of.File.Header
	if len(header) == 0 {
		header = []string{"gateway_uuid", "gateway_name", "tenant_domain", "external_id"}
	}
	w := table.NewCSVWriter(r.Attach("text/csv; charset=utf-8", job.ID+".csv"), of.File.Delimiter, s.settings.CSVFormulaGuard)
	cells := append([]string{}, header...)
	for _, name := range resultColumns {
		cells = append(cells, resultPrefix+name)
	}
	if err := w.Row(cells); err != nil {
		return err
	}
	err = s.eachItem(r.Context(), job, state, func(items []tasks.Item) error {
		for _, item := range items {
			shown, asked, err := shownItem(job, of, item)
			if err != nil {
				return err
			}
			cells = append(cells[:0], asked.Cells...)
			if len(of.File.Header) == 0 {
				cells = append(cells[:0], shown.GatewayUUID, shown.GatewayName, shown.TenantDomain, shown.ExternalID)
			}
			cells = append(cells, string(shown.State), shown.Action, shown.GatewayUUID)
			if shown.Error != nil {
				cells = append(cells, shown.Error.Code, shown.Error.Message)
			} else {
				cells = append(cells, "", "")
			}
			if err := w.Row(cells); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.Flush()
}

// allStand is stands of a bulk job: each gateway that it did something about has to be as it left it.
func (s *Service) allStand(ctx context.Context, job tasks.Job) error {
	of, err := bulkOf(job)
	if err != nil || of.DryRun {
		return err
	}
	return s.eachItem(ctx, job, tasks.ItemSucceeded, func(items []tasks.Item) error {
		all, err := ShowItems(job, items)
		if err != nil {
			return err
		}
		rows, err := s.standingAll(ctx, items, all)
		if err != nil {
			return err
		}
		for i, item := range items {
			if item.Left != nil && !gateway.IsLeft(s.tasks.Keys(), item.Left, rows[i]) {
				return fault.Errorf(fault.KeySuperseded, "Idempotency-Key: gateway %q (row %d) is no longer as this key's request left it: it was changed in FusionPBX, "+
					"or by another request; nothing was done; look at it, and send what it is to be with a new key", all[i].GatewayName, item.Number)
			}
		}
		return nil
	})
}

// standingAll are the gateways of the items as they stand, nil where there is none.
func (s *Service) standingAll(ctx context.Context, items []tasks.Item, all []Item) ([]*fusionpbx.Gateway, error) {
	var uuids []string
	labels := make([]fusionpbx.Label, len(items))
	for i, item := range all {
		if gone(item) {
			var asked gateway.BulkItem
			if err := json.Unmarshal(items[i].Params, &asked); err != nil {
				return nil, fmt.Errorf("reading the parameters of item %d: %w", item.Number, err)
			}
			labels[i] = fusionpbx.Label{DomainUUID: asked.DomainUUID, Name: item.GatewayName}
		} else {
			uuids = append(uuids, item.GatewayUUID)
		}
	}
	byUUID, err := s.db.GatewaysByUUIDs(ctx, uuids)
	if err != nil {
		return nil, err
	}
	byLabel, err := s.db.GatewaysByLabels(ctx, labels)
	rows := make([]*fusionpbx.Gateway, len(items))
	for i, item := range all {
		if row, there := byUUID[item.GatewayUUID]; there && !gone(item) {
			rows[i] = &row
		}
		if bearing := byLabel[labels[i]]; gone(item) && len(bearing) > 0 {
			rows[i] = &bearing[0]
		}
	}
	return rows, err
}

func gone(item Item) bool { return item.Action == gateway.Deleted || item.Action == gateway.Absent }
