package gateway

// Bulk is what a bulk job was asked to do with its items.
type Bulk struct {
	Mode   string    `json:"mode"`   // ModeAll or ModeEach
	Action string    `json:"action"` // for people: import, enable, disable, delete, re-register or reconcile
	DryRun bool      `json:"dry_run,omitempty"`
	File   *BulkFile `json:"file,omitempty"` // what the items came from, if it was a file
}

// How the items of a bulk job hang together.
const (
	ModeAll  = "all"  // all or none
	ModeEach = "each" // whichever can be
)

// BulkFile is the form of the file that the items came from, so that the results can be given in the same.
type BulkFile struct {
	Format    string   `json:"format"`              // csv, ndjson or json
	Header    []string `json:"header,omitempty"`    // of a CSV, as it was written
	Delimiter string   `json:"delimiter,omitempty"` // of a CSV
}

// BulkItem is what is asked of one item.
type BulkItem struct {
	Request
	Line  int      `json:"line,omitempty"`  // where it begins in the file, from 1
	Cells []string `json:"cells,omitempty"` // the row of a CSV as it was written, secrets left empty
}

// BulkResult is what a bulk job leaves, but for what its items do.
type BulkResult struct {
	Mode   string         `json:"mode" enum:"all,each"`
	Action string         `json:"action"`
	DryRun bool           `json:"dry_run,omitempty"`
	Counts map[string]int `json:"counts"` // total, and how many items there are of each action, failed and skipped
}
