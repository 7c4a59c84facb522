package sample

import (
	"context"
	"embed"
	"encoding/csv"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Version is a version of FusionPBX whose tables are known.
type Version string

// The versions whose tables are in schema/. Up to 5.4 flags are text; from 5.5 they are boolean.
const (
	V53 Version = "5.3.0"
	V54 Version = "5.4.4"
	V55 Version = "5.5.7"
	V56 Version = "5.6"
)

// Versions are all versions, oldest first.
var Versions = []Version{V53, V54, V55, V56}

// schemaFiles lists each version's columns as its catalogue had them:
// table,column,type,nullable,default.
//
//go:embed schema/columns-*.csv
var schemaFiles embed.FS

type schemaColumn struct {
	table, name, sqlType string
	notNull              bool
}

// schemaOf returns the columns of a version, table by table, in their order.
func schemaOf(v Version) ([]schemaColumn, error) {
	f, err := schemaFiles.Open("schema/columns-" + string(v) + ".csv")
	if err != nil {
		return nil, fmt.Errorf("the tables of FusionPBX %s are not known; those of %v are", v, Versions)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("reading the tables of FusionPBX %s: %w", v, err)
	}
	columns := make([]schemaColumn, 0, len(records))
	for _, r := range records[1:] {
		columns = append(columns, schemaColumn{table: r[0], name: r[1], sqlType: r[2], notNull: r[3] == "NO"})
	}
	return columns, nil
}

// createTables returns the SQL that creates a version's tables and enters the version in v_software.
// In every table of FusionPBX the column that may not be NULL is the primary key.
func createTables(v Version) (string, error) {
	columns, err := schemaOf(v)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i, c := range columns {
		if i == 0 || columns[i-1].table != c.table {
			fmt.Fprintf(&b, "create table %s (", quoteName(c.table))
		} else {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", quoteName(c.name), c.sqlType)
		if c.notNull {
			b.WriteString(" primary key")
		}
		if i == len(columns)-1 || columns[i+1].table != c.table {
			b.WriteString(");\n")
		}
	}
	fmt.Fprintf(&b, "insert into v_software (software_uuid, software_name, software_url, software_version) "+
		"values (gen_random_uuid(), 'FusionPBX', 'www.fusionpbx.com', '%s');\n", v)
	return b.String(), nil
}

// CreateTables makes FusionPBX's tables of that version in a database that others made, all or none of
// them. It fails if one is there already.
func CreateTables(ctx context.Context, conn *pgx.Conn, v Version) error {
	tables, err := createTables(v)
	if err != nil {
		return err
	}
	if _, err := conn.PgConn().Exec(ctx, "begin;"+tables+"commit").ReadAll(); err != nil {
		return fmt.Errorf("creating the tables of FusionPBX %s: %w", v, err)
	}
	return nil
}

func quoteName(name string) string { return pgx.Identifier{name}.Sanitize() }
