package fusionpbx

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// CDRColumns are the columns of an export that asks for none: who called whom, when, for how long,
// how it ended and how it sounded. A column that a version lacks is empty (call_disposition is there
// from 5.5). Every one is a column of v_xml_cdr itself, so that an export needs no join.
var CDRColumns = []string{
	"xml_cdr_uuid", "domain_uuid", "domain_name", "extension_uuid", "sip_call_id", "accountcode", "direction",
	"caller_id_name", "caller_id_number", "caller_destination", "source_number", "destination_number",
	"start_stamp", "start_epoch", "answer_stamp", "answer_epoch", "end_stamp", "end_epoch",
	"duration", "billsec", "billmsec", "waitsec", "leg", "bridge_uuid", "read_codec", "write_codec",
	"pdd_ms", "rtp_audio_in_mos", "missed_call", "hangup_cause", "sip_hangup_disposition", "call_disposition",
}

// allowedCDRColumns are the columns that an export may ask for: those of v_xml_cdr in any supported
// version, but for the bulky documents (xml, json, call_flow, record_transcription) and what the
// caller keyed in, PINs among it (pin_number, digits_dialed).
var allowedCDRColumns = append(slices.Clone(CDRColumns),
	"provider_uuid", "context", "default_language", "mduration", "hold_accum_seconds", "read_rate", "write_rate", "remote_media_ip", "network_addr",
	"record_path", "record_name", "record_length", "originating_leg_uuid", "last_app", "last_arg", "voicemail_message",
	"call_center_queue_uuid", "cc_side", "cc_member_uuid", "cc_queue_joined_epoch", "cc_queue", "cc_member_session_uuid", "cc_agent_uuid",
	"cc_agent", "cc_agent_type", "cc_agent_bridged", "cc_queue_answered_epoch", "cc_queue_terminated_epoch", "cc_queue_canceled_epoch",
	"cc_cancel_reason", "cc_cause", "conference_name", "conference_uuid", "conference_member_id", "status",
	"hangup_cause_q850", "ring_group_uuid", "ivr_menu_uuid", "insert_date", "update_date")

// AllCDRColumns are all columns that an export may ask for.
func AllCDRColumns() []string { return slices.Clone(allowedCDRColumns) }

// CDRFilter says which CDRs an export holds: those whose start_stamp is in the half-open window Start
// to End, of all domains or of one.
type CDRFilter struct {
	All        bool      // of all domains and of none
	DomainUUID string    // else of this one
	Start, End time.Time // Start is in the window, End is not
	Columns    []string  // CDRColumns if empty
	Choice     CDRChoice
}

// CheckCDRColumns says if a column is unknown or there twice.
func CheckCDRColumns(columns []string) error {
	for i, column := range columns {
		if !slices.Contains(allowedCDRColumns, column) {
			return fmt.Errorf("columns: there is no column %.200q to export; the columns are %s", column, strings.Join(allowedCDRColumns, ", "))
		}
		if slices.Contains(columns[:i], column) {
			return fmt.Errorf("columns: %s is there twice; name each column once", column)
		}
	}
	return nil
}

// CDRQuery is the statement that reads the CDRs, ordered by start_stamp and xml_cdr_uuid. The error is
// CheckCDRColumns', or that the filter is neither for all domains nor for one.
func (d *DB) CDRQuery(f CDRFilter) (sql string, args []any, err error) {
	selected, err := d.selectedCDRColumns(f)
	if err != nil {
		return "", nil, err
	}
	from, args, err := d.cdrsOf(f)
	return "select " + selected + from + " order by v_xml_cdr.start_stamp, v_xml_cdr.xml_cdr_uuid", args, err
}

// selectedCDRColumns are the filter's columns as a statement selects them.
func (d *DB) selectedCDRColumns(f CDRFilter) (string, error) {
	if !f.All && f.DomainUUID == "" {
		return "", errNoCDRDomain
	}
	columns := f.Columns
	if len(columns) == 0 {
		columns = CDRColumns
	}
	if err := CheckCDRColumns(columns); err != nil {
		return "", err
	}
	selected := make([]string, len(columns))
	for i, column := range columns {
		selected[i] = pgx.Identifier{"v_xml_cdr", column}.Sanitize()
		if !d.hasColumn("v_xml_cdr", column) {
			selected[i] = "null::text as " + pgx.Identifier{column}.Sanitize()
		}
	}
	return strings.Join(selected, ", "), nil
}

// MoreCDRsThan reports whether the filter holds more than n CDRs. If it does, that is known long before
// all of them are read.
func (d *DB) MoreCDRsThan(ctx context.Context, f CDRFilter, n int64) (bool, error) {
	from, args, err := d.cdrsOf(f)
	if err != nil {
		return false, err
	}
	sql := fmt.Sprintf("select count(*) from (select%s limit %d) found", from, n+1)
	count, err := again(ctx, d, func() (int64, error) {
		return postgres.Value[int64](ctx, d.q, "counting CDRs", sql, args...)
	})
	return count > n, err
}

// cdrsOf is the part of a statement that chooses the CDRs, with its arguments. The error is that this version lacks a
// column that the choice needs.
func (d *DB) cdrsOf(f CDRFilter) (sql string, args []any, err error) {
	sql = " from v_xml_cdr where v_xml_cdr.start_stamp >= $1 and v_xml_cdr.start_stamp < $2"
	args = []any{f.Start, f.End}
	if !f.All {
		sql += " and v_xml_cdr.domain_uuid = $3::uuid"
		args = append(args, f.DomainUUID)
	}
	conditions, args, err := f.Choice.conditions(d, args)
	return sql + conditions, args, err
}
