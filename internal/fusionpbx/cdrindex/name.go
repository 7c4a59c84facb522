package cdrindex

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fusionpbx"
)

// longestName is what Postgres cuts a name to, in bytes.
const longestName = 63

// nameFor is how the index of a table is called: trunkline_v_xml_cdr_start. A long name is cut, and told from others by a
// hash of the whole.
func nameFor(t table) string {
	const prefix, suffix = "trunkline_", "_start"
	if name := prefix + t.Name + suffix; len(name) <= longestName {
		return name
	}
	h := fnv.New32a()
	h.Write([]byte(t.Name))
	hash := fmt.Sprintf("_%08x", h.Sum32())
	kept := t.Name[:longestName-len(prefix)-len(hash)-len(suffix)]
	return prefix + strings.ToValidUTF8(kept, "") + hash + suffix
}

// named is an index's schema and name as SQL has them: quoted.
func named(index fusionpbx.CDRIndex) string {
	return pgx.Identifier{index.Schema, index.Name}.Sanitize()
}
