package fusionpbx

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
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

// AllCDRColumns are all columns of v_xml_cdr that an export may ask for.
func AllCDRColumns() []string { return slices.Clone(allowedCDRColumns) }

// CDRSeconds are the columns whose numbers are seconds.
var CDRSeconds = []string{"duration", "billsec", "waitsec", "hold_accum_seconds", "tta"}

// AnswerDelayColumn is how many seconds a call waited for its answer, which FusionPBX's page makes of two columns; NULL if nobody
// answered.
const AnswerDelayColumn = "tta"

// LateColumn is whether the CDR is one of CDRFilter.Late.
const LateColumn = "late"

// LateCDRs are CDRs that are read with those of a window, by UUID, though they lie before it.
type LateCDRs struct {
	UUIDs  []string
	Before time.Time // where the window begins
}

// CDRFilter says which CDRs an export holds: those whose start_stamp is in the half-open window Start
// to End, of all domains or of one.
type CDRFilter struct {
	All        bool      // of all domains and of none
	DomainUUID string    // else of this one
	Start, End time.Time // Start is in the window, End is not
	Columns    []string  // each once: columns of v_xml_cdr, AnswerDelayColumn, LateColumn
	Choice     CDRChoice
	Late       LateCDRs // these too; Start may lie before the window then
	Except     []string // none of these, by UUID

	readsLate bool // of a statement on the late ones alone
}

// CDRQuery is the statement that reads the CDRs, ordered by start_stamp and xml_cdr_uuid. Errors: that the filter is neither for
// all domains nor for one, that this version lacks a column that the choice needs, that a column is none that there is.
func (d *DB) CDRQuery(f CDRFilter) (sql string, args []any, err error) {
	if len(f.Late.UUIDs) == 0 {
		from, args, err := d.cdrsOf(f)
		if err != nil {
			return "", nil, err
		}
		selected, err := d.selectCDRs(f)
		return selected + from + " order by v_xml_cdr.start_stamp, v_xml_cdr.xml_cdr_uuid", args, err
	}
	sql, args, err = d.withLate(f, d.selectCDRs)
	return sql + " order by start_stamp, xml_cdr_uuid", args, err
}

// withLate is a statement on the filter's CDRs, those that are late among them, of the beginning that selected is for either
// of them. Postgres reads both in their order and merges them, without sorting the window's.
func (d *DB) withLate(f CDRFilter, selected func(CDRFilter) (string, error)) (sql string, args []any, err error) {
	from, args, err := d.cdrsOf(f)
	if err != nil || len(f.Late.UUIDs) == 0 {
		beginning, err2 := selected(f)
		return beginning + from, args, cmp.Or(err, err2)
	}
	lateOf := f
	lateOf.readsLate = true
	late, err := selected(lateOf)
	if err != nil {
		return "", nil, err
	}
	within, err := selected(f)
	if err != nil {
		return "", nil, err
	}
	args = append(args, f.Late.Before, f.Late.UUIDs)
	begins, uuids := len(args)-1, len(args)
	return fmt.Sprintf("%s%s and v_xml_cdr.start_stamp < $%d::timestamptz and v_xml_cdr.xml_cdr_uuid = any($%d::uuid[]) union all %s%s and v_xml_cdr.start_stamp >= $%d::timestamptz",
		late, from, begins, uuids, within, from, begins), args, nil
}

// selectCDRs is the beginning of a statement that selects the filter's columns of what it is to be continued with, a
// condition on rows of v_xml_cdr. A column that this version lacks is NULL.
func (d *DB) selectCDRs(f CDRFilter) (sql string, err error) {
	if !f.All && f.DomainUUID == "" {
		return "", errNoCDRDomain
	}
	selected := make([]string, len(f.Columns))
	for i, column := range f.Columns {
		value := "v_xml_cdr." + column
		switch {
		case column == AnswerDelayColumn:
			value = fmt.Sprintf("nullif(%s, 0) - %s", d.number("v_xml_cdr", "v_xml_cdr.answer_epoch"), d.number("v_xml_cdr", "v_xml_cdr.start_epoch"))
		case column == LateColumn:
			value = strconv.FormatBool(f.readsLate)
		case slices.Contains(allowedCDRColumns, column):
			value = d.orNull("v_xml_cdr", value)
		default:
			return "", fmt.Errorf("reading CDRs: there is no column %.200q to read", column)
		}
		selected[i] = value + " as " + pgx.Identifier{column}.Sanitize()
	}
	return "select " + strings.Join(selected, ", ") + " from v_xml_cdr", nil
}

// MoreCDRsThan reports whether the filter holds more than n CDRs. If it does, that is known long before
// all of them are read.
func (d *DB) MoreCDRsThan(ctx context.Context, f CDRFilter, n int64) (bool, error) {
	count, err := again(ctx, d, func() (int64, error) { return d.CountCDRs(ctx, f, n+1) })
	return count > n, err
}

// CountCDRs is how many CDRs the filter holds, of which no more than that many are counted.
func (d *DB) CountCDRs(ctx context.Context, f CDRFilter, most int64) (int64, error) {
	cdrs, args, err := d.withLate(f, func(CDRFilter) (string, error) { return "select from v_xml_cdr", nil })
	if err != nil {
		return 0, err
	}
	return postgres.Value[int64](ctx, d.q, "counting CDRs", fmt.Sprintf("select count(*) from (%s limit %d) found", cdrs, most), args...)
}

// cdrsOf is the condition that chooses the CDRs, with its arguments. The error is that this version lacks a
// column that the choice needs.
func (d *DB) cdrsOf(f CDRFilter) (sql string, args []any, err error) {
	sql = " where v_xml_cdr.start_stamp >= $1 and v_xml_cdr.start_stamp < $2"
	args = []any{f.Start, f.End}
	if !f.All {
		sql += " and v_xml_cdr.domain_uuid = $3::uuid"
		args = append(args, f.DomainUUID)
	}
	if len(f.Except) > 0 {
		args = append(args, f.Except)
		sql += fmt.Sprintf(" and v_xml_cdr.xml_cdr_uuid <> all($%d::uuid[])", len(args))
	}
	conditions, args, err := f.Choice.conditions(d, args)
	return sql + conditions, args, err
}
