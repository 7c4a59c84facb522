package sample

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	maxTalk   = 3600 // seconds that a sample call lasts
	maxRing   = 45   // seconds until it is answered or given up
	maxJitter = 600  // seconds by which calls come out of order
)

// calls makes one row for each CDR from nothing but numbers. Every eighth is the second leg of the
// call before it. What looks random is a hash of the call's number, so that the legs of a call agree,
// with the same start, and the seed determines all. Half of the calls are the first domain's, give
// or take; one in five hundred is no domain's.
var calls = `
select i, leg, domain, domainless, direction, name, chance, dice, ring, talk, talk > 0 as answered, msec,
	md5(@seed::bigint || ':' || i)::uuid as id,
	md5(@seed::bigint || ':' || call)::uuid as first_leg,
	@now::bigint - 1 - ring - talk - jitter - (@cdrs::bigint - call) * @span::bigint / @cdrs::bigint as start,
	(@domain_names::text[])[1 + domain] as domain_name,
	(@domain_extensions::int[])[1 + domain] as extensions
from (
	select i, call, leg,
		(@domains::int * (hash[1] % 1000) * (hash[1] % 1000) / 1000000)::int as domain,
		hash[2] % 500 = 0 as domainless,
		(array['inbound', 'inbound', 'outbound', 'outbound', 'local'])[1 + hash[3] % 5] as direction,
		case when call % 50 = 7 -- in turn, so that a few thousand CDRs have them all
			then (@hostile::text[])[1 + call / 50 % cardinality(@hostile::text[])]
			else (@names::text[])[1 + hash[4] % cardinality(@names::text[])] end as name,
		hash[5] % 1000 as chance,
		hash[6] % 1000000 as dice,
		1 + hash[7] % @max_ring::bigint as ring,
		case when hash[8] % 4 > 0
			then 1 + (@max_talk::bigint - 1) * (hash[9] % 1000) * (hash[9] % 1000) * (hash[9] % 1000) / 1000000000
			else 0 end as talk,
		hash[10] % 1000 as msec,
		hash[11] % @max_jitter::bigint as jitter
	from (
		select i, call, case when i = call then 'a' else 'b' end as leg,
			` + hashes() + ` as hash
		from (select i, case when i % 8 = 0 then i - 1 else i end as call
			from generate_series(1, @cdrs::bigint) i) numbered
		offset 0 -- each layer is computed once, not wherever its columns are used
	) hashed
	offset 0
) thrown
offset 0`

// hashes is the array of a call's random numbers, none negative.
func hashes() string {
	const numbers = 11
	var hashes [numbers]string
	for i := range hashes {
		hashes[i] = fmt.Sprintf("hashint8extended(call, @seed::bigint + %d) & 9223372036854775807", i+1)
	}
	return "array[" + strings.Join(hashes[:], ", ") + "]"
}

// ends gives each call its two ends: an extension of the domain, if it has any, and a number
// outside.
var ends = `
select *,
	case when extensions > 0 then (1001 + dice % extensions)::text else '1000' end as near,
	case when direction = 'local' and extensions > 0 then (1001 + dice / 7 % extensions)::text
		when direction = 'local' then '1000'
		else '1555' || lpad(dice::text, 7, '0') end as far,
	case when extensions > 0 and not domainless
		then (@extension_uuids::uuid[])[1 + domain + @domains::int * (dice % extensions)] end as extension_uuid,
	case when answered then 'NORMAL_CLEARING' when leg = 'b' and dice % 2 = 0 then 'LOSE_RACE'
		else (array['NO_ANSWER', 'ORIGINATOR_CANCEL', 'USER_BUSY', 'CALL_REJECTED', 'UNALLOCATED_NUMBER',
			'NO_USER_RESPONSE'])[1 + dice % 6] end as cause
from (` + calls + `) calls
offset 0`

// cdrFields gives the columns of v_xml_cdr. An unanswered call has answer_epoch 0 and the answer_stamp
// that goes with it, as FusionPBX writes them.
var cdrFields = []field{
	{"xml_cdr_uuid", "id"},
	{"domain_uuid", "case when not domainless then (@domain_uuids::uuid[])[1 + domain] end"},
	{"domain_name", "case when not domainless then domain_name end"},
	{"extension_uuid", "extension_uuid"},
	{"sip_call_id", "case when chance <> 1 then id || '@203.0.113.' || dice % 250 end"},
	{"accountcode", "domain_name"},
	{"direction", "case when chance <> 2 then direction end"},
	{"default_language", "'en'"},
	{"context", "case direction when 'inbound' then 'public' else domain_name end"},
	{"caller_id_name", "case when chance <> 3 then name end"},
	{"caller_id_number", "case direction when 'inbound' then far else near end"},
	{"caller_destination", "case direction when 'inbound' then '1800555' || lpad(domain::text, 4, '0') else far end"},
	{"source_number", "case direction when 'inbound' then far else near end"},
	{"destination_number", "case direction when 'inbound' then near else far end"},
	{"start_epoch", "start"},
	{"start_stamp", "to_timestamp(start)"},
	{"answer_epoch", "case when answered then start + ring else 0 end"},
	{"answer_stamp", "to_timestamp(case when answered then start + ring else 0 end)"},
	{"end_epoch", "start + ring + talk"},
	{"end_stamp", "to_timestamp(start + ring + talk)"},
	{"duration", "ring + talk"},
	{"mduration", "(ring + talk) * 1000 + msec"},
	{"billsec", "talk"},
	{"billmsec", "case when answered then talk * 1000 + msec else 0 end"},
	{"hold_accum_seconds", "case when answered and chance % 20 = 0 then talk / 10 else 0 end"},
	{"bridge_uuid", "case when answered then md5('bridge' || first_leg)::uuid end"},
	{"read_codec", "case when answered then (array['PCMU', 'PCMA', 'opus', 'G722'])[1 + dice % 4] end"},
	{"read_rate", "case when answered then (array['8000', '8000', '48000', '16000'])[1 + dice % 4] end"},
	{"write_codec", "case when answered then (array['PCMU', 'PCMA', 'opus', 'G722'])[1 + dice % 4] end"},
	{"write_rate", "case when answered then (array['8000', '8000', '48000', '16000'])[1 + dice % 4] end"},
	{"remote_media_ip", "case when answered then '203.0.113.' || dice % 250 end"},
	{"network_addr", "'203.0.113.' || dice % 250"},
	{"record_path", "case when answered and chance < 200 then '/var/lib/freeswitch/recordings/' || domain_name || " +
		"to_char(to_timestamp(start) at time zone 'UTC', '/\"archive\"/YYYY/Mon/DD') end"},
	{"record_name", "case when answered and chance < 200 then id || '.wav' end"},
	{"record_length", "case when answered and chance < 200 then talk end"},
	{"leg", "leg"},
	{"originating_leg_uuid", "case when leg = 'b' then first_leg end"},
	{"pdd_ms", "case when direction <> 'local' then 20 + dice % 3000 else 0 end"},
	{"rtp_audio_in_mos", "case when answered and chance <> 4 then round((300 + dice % 151) / 100.0, 2) end"},
	{"last_app", "case when answered then 'bridge' else 'hangup' end"},
	{"last_arg", "case when answered then 'user/' || near || '@' || domain_name end"},
	{"voicemail_message", "not answered and direction = 'inbound' and chance < 300"},
	{"missed_call", "not answered and direction = 'inbound'"},
	{"cc_side", "case when chance >= 980 then 'agent' when chance >= 960 then 'member' end"},
	{"cc_queue", "case when chance >= 960 then '5000@' || domain_name end"},
	{"waitsec", "ring"},
	{"status", "case when answered then 'answered' when direction <> 'inbound' then 'no_answer' " +
		"when chance < 300 then 'voicemail' else 'missed' end"},
	{"call_disposition", "case when answered then 'answered' else 'missed' end"},
	{"hangup_cause", "case when chance <> 5 then cause end"},
	{"hangup_cause_q850", "case cause when 'NORMAL_CLEARING' then 16 when 'NO_ANSWER' then 19 when 'USER_BUSY' then 17 " +
		"when 'CALL_REJECTED' then 21 when 'UNALLOCATED_NUMBER' then 1 when 'NO_USER_RESPONSE' then 18 " +
		"when 'LOSE_RACE' then 502 else 0 end"},
	{"sip_hangup_disposition", "case when answered then (array['recv_bye', 'send_bye'])[1 + dice % 2] " +
		"else (array['recv_cancel', 'send_refuse'])[1 + dice % 2] end"},
	{"insert_date", "case when chance not between 10 and 29 then to_timestamp(start + ring + talk + 2) end"},
}

// newerCDRColumns are those that not every version has.
var newerCDRColumns = []string{"call_disposition"}

// cdrs makes the CDRs inside the server, and counts them.
func (l *loader) cdrs(ctx context.Context, tx pgx.Tx) error {
	if l.options.CDRs == 0 {
		return nil
	}
	var names, values []string
	for _, f := range cdrFields {
		sqlType, ok := l.types[column{"v_xml_cdr", f.column}]
		if !ok && slices.Contains(newerCDRColumns, f.column) {
			continue
		}
		if !ok {
			return fmt.Errorf("this database has no column v_xml_cdr.%s", f.column)
		}
		names = append(names, quoteName(f.column))
		values = append(values, fmt.Sprintf("cast(%s as %s)", f.value, sqlType))
	}
	hostile, err := l.hostileNames(ctx, tx)
	if err != nil {
		return err
	}
	args := pgx.NamedArgs{
		"cdrs": l.options.CDRs, "seed": l.options.Seed, "now": l.options.Now.Unix(),
		"span":     l.options.Days*24*60*60 - maxTalk - maxRing - maxJitter - 1,
		"max_talk": maxTalk, "max_ring": maxRing, "max_jitter": maxJitter,
		"names": callerNames, "hostile": hostile,
		"domains": len(l.sample.Domains), "extension_uuids": l.extensionUUIDs,
	}
	var domainUUIDs, domainNames []string
	var domainExtensions []int
	for _, d := range l.sample.Domains {
		domainUUIDs = append(domainUUIDs, d.UUID)
		domainNames = append(domainNames, d.Name)
		domainExtensions = append(domainExtensions, d.Extensions)
	}
	args["domain_uuids"], args["domain_names"], args["domain_extensions"] = domainUUIDs, domainNames, domainExtensions

	insert := fmt.Sprintf("insert into v_xml_cdr (%s) select %s from (%s) ends",
		strings.Join(names, ", "), strings.Join(values, ", "), ends)
	tag, err := tx.Exec(ctx, insert, args)
	if err != nil {
		return fmt.Errorf("making the CDRs: %w", err)
	}
	l.sample.CDRs = tag.RowsAffected()
	for i := range l.sample.Domains {
		d := &l.sample.Domains[i]
		err := tx.QueryRow(ctx, "select count(*) from v_xml_cdr where domain_uuid = $1", d.UUID).Scan(&d.CDRs)
		if err != nil {
			return fmt.Errorf("counting the CDRs: %w", err)
		}
	}
	return nil
}

// hostileNames returns HostileCallerNames, and those that are no UTF-8 if the database takes them.
func (l *loader) hostileNames(ctx context.Context, tx pgx.Tx) ([]string, error) {
	var encoding string
	if err := tx.QueryRow(ctx, "show server_encoding").Scan(&encoding); err != nil {
		return nil, fmt.Errorf("reading the database's encoding: %w", err)
	}
	if encoding != "SQL_ASCII" {
		return HostileCallerNames, nil
	}
	// Otherwise the server would check what it is sent as if it were to be converted.
	if _, err := tx.Exec(ctx, "set local client_encoding to 'SQL_ASCII'"); err != nil {
		return nil, fmt.Errorf("setting the client's encoding: %w", err)
	}
	return append(slices.Clone(HostileCallerNames), InvalidCallerNames...), nil
}
