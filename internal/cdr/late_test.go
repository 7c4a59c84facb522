package cdr

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/export"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

// cutsOff is a journal whose first attempt is cut off once its slices are kept, and whose next one finds so many of them.
type cutsOff struct {
	keeps   int
	earlier []export.Slice
	keys    map[int][]byte // of each slice
	taken   int            // how many slices were taken over
	over    bool
}

var errCutOff = errors.New("cut off")

func (c *cutsOff) Earlier(context.Context) ([]export.Slice, error) {
	return c.earlier[:min(c.keeps, len(c.earlier))], nil
}

func (c *cutsOff) Keep(_ context.Context, first int, written []export.Slice) error {
	for i, s := range written {
		if s.Keys != nil {
			c.keys[first+i] = bytes.Clone(s.Keys)
		} else {
			c.taken++
		}
	}
	if c.over {
		return nil
	}
	c.earlier = append(c.earlier[:first], written...)
	for i := range c.earlier {
		c.earlier[i].Keys = nil // which are not kept with a slice
	}
	c.over = true
	return errCutOff
}

func (c *cutsOff) Forget(context.Context) error {
	c.earlier, c.keys = nil, map[int][]byte{}
	return nil
}

func (*cutsOff) GoesOn(_ context.Context, err error) bool { return errors.Is(err, errCutOff) }

// An export that holds late CDRs goes on where it was cut off, and has the bytes and the keys of one that was not.
func TestLateRowsOfAnAttemptThatIsCutOff(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			s := folderStore(t, nil)
			e := newExporterOf(t, version, 200, s)
			e.SliceRows = 20
			var start time.Time
			must(t, e.PBX.Pool.QueryRow(t.Context(), "select start_stamp from v_xml_cdr order by start_stamp, xml_cdr_uuid offset 50 limit 1").Scan(&start))
			r := all().MarkLate()
			r.Start = start.UTC()
			rows, err := e.PBX.Pool.Query(t.Context(), "select xml_cdr_uuid, start_stamp from v_xml_cdr where start_stamp < $1 order by random() limit 30", start)
			must(t, err)
			for rows.Next() {
				var late fusionpbx.FoundCDR
				must(t, rows.Scan(&late.UUID, &late.Start))
				r.Late = append(r.Late, late)
			}
			must(t, rows.Err())
			r.Late = append(r.Late, fusionpbx.FoundCDR{UUID: uuid.New(), Start: start.Add(-time.Hour)}) // which was deleted since
			write := func(id string, attempt int, journal Journal) (*File, error) {
				return e.Write(t.Context(), id, attempt, r, 0, Hooks{Journal: journal, Keys: true})
			}
			commit := func(id string, attempt int, journal Journal) Result {
				file, err := write(id, attempt, journal)
				must(t, err)
				result, err := file.Commit(t.Context())
				must(t, err)
				return result
			}
			txid := func(of string) (number int64) {
				must(t, e.PBX.Pool.QueryRow(t.Context(), "select txid_snapshot_"+of+"(txid_current_snapshot())").Scan(&number))
				return number
			}
			written := txid("xmax")
			pbxtest.Eventually(t, "no older transaction is open", func() bool { return txid("xmin") >= written })
			id, journal := uuid.NewString(), &cutsOff{keeps: 4, keys: map[int][]byte{}}
			if _, err := write(id, 1, journal); !errors.Is(err, errCutOff) {
				t.Fatalf("the first attempt: %v", err)
			}
			resumed := commit(id, 2, journal)
			whole := &cutsOff{over: true, keys: map[int][]byte{}}
			atOnce := commit(uuid.NewString(), 1, whole)
			if resumed.SHA256 != atOnce.SHA256 || resumed.TotalRecords != atOnce.TotalRecords || resumed.LateRows != 30 || atOnce.LateRows != 30 {
				t.Errorf("resumed: %+v; at once: %+v", resumed, atOnce)
			}
			if journal.taken != journal.keeps {
				t.Errorf("%d slices were taken over, of %d", journal.taken, journal.keeps)
			}
			if got, want := sorted(journal.keys), sorted(whole.keys); int64(len(want)) != atOnce.TotalRecords || !slices.Equal(got, want) {
				t.Errorf("%d keys of the file that was resumed, %d of the other, of %d rows", len(got), len(want), atOnce.TotalRecords)
			}
		})
	}
}

// sorted are the keys of all slices.
func sorted(of map[int][]byte) (keys []string) {
	for _, some := range of {
		for key := range slices.Chunk(some, export.KeyBytes) {
			keys = append(keys, string(key))
		}
	}
	slices.Sort(keys)
	return keys
}
