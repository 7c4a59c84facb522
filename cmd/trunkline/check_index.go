package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
)

// manyCDRs is from how many rows on it is worth an index to find those of a span of time: fewer are read in a moment.
const manyCDRs = 100_000

// cdrIndex says what an index would be good for where there is none.
func (c *checker) cdrIndex(db *fusionpbx.DB, pool *pgxpool.Pool) {
	ctx, cancel := context.WithTimeout(c.cmd.ctx, checkTimeout)
	defer cancel()
	const part = "cdr index"
	there, err := db.HasCDRIndex(ctx)
	rows := int64(0)
	if err == nil && !there {
		rows, err = postgres.EstimatedRows(ctx, pool, pgx.Identifier{"v_xml_cdr"})
	}
	if err != nil {
		c.warn(part, "whether one is needed cannot be read: "+err.Error())
		return
	}
	if rows <= manyCDRs {
		return
	}
	c.warn(part, fmt.Sprintf("none leads to a span of time in v_xml_cdr, which has some %d rows, so that each export reads all of them on one connection, "+
		"and so does the newest page of GET /v1/cdr; with one, exports read what they hold, in slices by time on several connections; run `trunkline migrate --cdr-index`", rows))
}
