package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"trunkline/internal/fusionpbx"
)

// inOrder is the order of the rows on both sides, as the end of a query.
const inOrder = " order by start_stamp, xml_cdr_uuid"

// plainQuery asks for the columns that an export has of itself.
var plainQuery = "select " + strings.Join(fusionpbx.CDRColumns, ", ") + " from v_xml_cdr where start_stamp is not null" + inOrder

// pageQuery asks for what FusionPBX's own page exports for all domains: its columns, joins and conditions.
func pageQuery() string {
	first, last := wholeSample()
	return `select c.domain_uuid, c.sip_call_id, e.extension, e.effective_caller_id_name as extension_name, c.start_stamp, c.end_stamp,
		to_char(timezone('UTC', c.start_stamp), 'DD Mon YYYY') as start_date_formatted,
		to_char(timezone('UTC', c.start_stamp), 'HH12:MI am') as start_time_formatted,
		c.start_epoch, c.billsec as duration, c.billmsec, c.missed_call, c.record_path, c.record_name, c.xml_cdr_uuid, c.bridge_uuid,
		c.direction, c.billsec, c.caller_id_name, c.caller_id_number, c.caller_destination, c.source_number, c.destination_number,
		c.leg, c.read_codec, c.write_codec, c.cc_side, c.answer_stamp, c.status, c.sip_hangup_disposition, c.call_disposition,
		c.pdd_ms, c.rtp_audio_in_mos, c.waitsec as wait, d.domain_name
		from v_xml_cdr c
		left join v_extensions e on e.extension_uuid = c.extension_uuid
		inner join v_domains d on d.domain_uuid = c.domain_uuid
		where c.start_stamp >= '` + first + `' and c.start_stamp < '` + last + `'
		and c.hangup_cause <> 'LOSE_RACE' and c.leg = 'a'` + inOrder
}

// copied is what psql's \copy of a query as CSV took.
type copied struct {
	bare  float64 // seconds of psql alone, or with the program that packs what it writes
	whole float64 // seconds with sha256sum and sync after it
	cpu   float64 // seconds that psql and Postgres used of the processors within bare
	rows  int64   // as psql says; 0 if it was packed
	bytes int64   // of the file
}

// copyToFile has psql write the query's rows into a file, and takes that away again.
func (b *bench) copyToFile(ctx context.Context, query string) (c copied, err error) {
	if c, err = b.copyBare(ctx, query); err != nil {
		return c, err
	}
	err = c.finish(ctx, b.psqlFile())
	return c, err
}

// copyBare is psql alone, and leaves the file.
func (b *bench) copyBare(ctx context.Context, query string) (c copied, err error) {
	before, err := b.postgresCPU()
	if err != nil {
		return c, err
	}
	cmd := b.psql(ctx, query, "'"+b.psqlFile()+"'")
	began := time.Now()
	output, err := cmd.CombinedOutput()
	if err != nil {
		return c, fmt.Errorf("psql: %w: %s", err, output)
	}
	c.bare = time.Since(began).Seconds()
	after, err := b.postgresCPU()
	if err != nil {
		return c, err
	}
	c.cpu = after - before + (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if _, err := fmt.Sscanf(string(output), "COPY %d", &c.rows); err != nil {
		return c, fmt.Errorf("psql answered %q: %w", output, err)
	}
	return c, nil
}

// copyThrough has psql write the query's rows into a program that packs them into a file, which is taken away again.
func (b *bench) copyThrough(ctx context.Context, query string, program ...string) (c copied, err error) {
	file, err := os.Create(b.psqlFile())
	if err != nil {
		return c, err
	}
	defer file.Close()
	cmd := b.psql(ctx, query, "stdout")
	pack := exec.CommandContext(ctx, program[0], program[1:]...)
	if pack.Stdin, err = cmd.StdoutPipe(); err != nil {
		return c, err
	}
	pack.Stdout = file
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return c, err
	}
	if err := errors.Join(pack.Run(), cmd.Wait()); err != nil {
		return c, fmt.Errorf("psql through %s: %w", program[0], err)
	}
	c.bare = time.Since(began).Seconds()
	err = c.finish(ctx, file.Name())
	return c, err
}

// psqlFile is beside the exports, since the folder above is watched for changes.
func (b *bench) psqlFile() string { return filepath.Join(b.Dir, "exports", "psql.csv") }

// psql is a psql that copies the query's rows to a file or to stdout.
func (b *bench) psql(ctx context.Context, query, to string) *exec.Cmd {
	oneLine := strings.Join(strings.Fields(query), " ") // as \copy wants it
	return exec.CommandContext(ctx, "psql", "--no-psqlrc", "--command", `\copy (`+oneLine+`) to `+to+" csv header", b.Database)
}

// finish hashes and syncs the file, and removes it.
func (c *copied) finish(ctx context.Context, file string) error {
	began := time.Now()
	for _, program := range []string{"sha256sum", "sync"} {
		if output, err := exec.CommandContext(ctx, program, file).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", program, err, output)
		}
	}
	c.whole = c.bare + time.Since(began).Seconds()
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	c.bytes = info.Size()
	return os.Remove(file)
}
