package fusionpbx

import (
	"testing"

	"trunkline/internal/pbxtest/sample"
)

// wantUse fails unless the indexes are good for that.
func (p pbx) wantUse(t *testing.T, when string, want CDRIndexUse) {
	t.Helper()
	use, err := p.CDRIndexUse(t.Context())
	if err != nil || use != want {
		t.Errorf("%s: the indexes are good for %d, %v; want %d", when, use, err, want)
	}
	if has, err := p.HasCDRIndex(t.Context()); err != nil || has != (want != NoCDRIndex) {
		t.Errorf("%s: has an index: %t, %v", when, has, err)
	}
}

// No version has an index that leads to a span of time, and one that is made is seen at once.
func TestCDRIndexOfEachVersion(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		p.wantUse(t, "as FusionPBX makes it", NoCDRIndex)
		p.exec(t, "create index later on v_xml_cdr (start_stamp, xml_cdr_uuid)")
		p.wantUse(t, "with an index", CDRIndexInOrder)
	})
}

func TestWhatAnIndexIsGoodFor(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V55)
	for columns, want := range map[string]CDRIndexUse{
		"(start_stamp)":                               CDRIndexByStart,
		"(start_stamp) include (xml_cdr_uuid)":        CDRIndexByStart,
		"(start_stamp desc, xml_cdr_uuid)":            CDRIndexByStart,
		"(start_stamp nulls first, xml_cdr_uuid)":     CDRIndexByStart,
		"(start_stamp, domain_uuid, xml_cdr_uuid)":    CDRIndexByStart,
		"(start_stamp, xml_cdr_uuid, domain_uuid)":    CDRIndexInOrder,
		"(start_stamp desc, xml_cdr_uuid desc)":       CDRIndexInOrder,
		"(start_stamp, (xml_cdr_uuid::text))":         CDRIndexByStart,
		"((start_stamp at time zone 'UTC'))":          NoCDRIndex,
		"(xml_cdr_uuid, start_stamp)":                 NoCDRIndex,
		"(start_stamp, xml_cdr_uuid) where leg = 'a'": NoCDRIndex,
		"using brin (start_stamp)":                    NoCDRIndex,
	} {
		p.exec(t, "create index one on v_xml_cdr "+columns)
		p.wantUse(t, columns, want)
		p.exec(t, "drop index one")
	}
	p.exec(t, "create unique index one on v_xml_cdr (start_stamp, xml_cdr_uuid)")
	p.wantUse(t, "unique", CDRIndexInOrder)
	p.exec(t, "create index two on v_xml_cdr (start_stamp)")
	p.wantUse(t, "two of them", CDRIndexInOrder)
}

// The index of a partitioned table counts once every partition has one, those of sub-partitions among them.
func TestCDRIndexOfAPartitionedTable(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V55)
	p.exec(t, "alter table v_xml_cdr rename to plain")
	p.exec(t, "create table v_xml_cdr (like plain) partition by range (start_stamp)")
	p.exec(t, "create table old partition of v_xml_cdr for values from (minvalue) to ('2026-01-01')")
	p.exec(t, "create table recent partition of v_xml_cdr for values from ('2026-01-01') to (maxvalue) partition by range (start_stamp)")
	p.exec(t, "create table january partition of recent for values from ('2026-01-01') to ('2026-02-01')")
	for _, sql := range []string{
		"create index whole on only v_xml_cdr (start_stamp, xml_cdr_uuid)",
		"create index of_old on old (start_stamp, xml_cdr_uuid)",
		"alter index whole attach partition of_old",
		"create index of_recent on only recent (start_stamp, xml_cdr_uuid)",
		"alter index whole attach partition of_recent",
		"create index of_january on january (start_stamp, xml_cdr_uuid)",
	} {
		p.exec(t, sql)
		p.wantUse(t, sql, NoCDRIndex)
	}
	p.exec(t, "alter index of_recent attach partition of_january")
	p.wantUse(t, "all have one", CDRIndexInOrder)
	p.exec(t, "create table february partition of recent for values from ('2026-02-01') to ('2026-03-01')")
	p.wantUse(t, "a partition comes, with an index", CDRIndexInOrder)
}

// An index of a table that others inherit from holds none of their rows.
func TestCDRIndexOfATableThatOthersInheritFrom(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V55)
	p.exec(t, "create index one on v_xml_cdr (start_stamp, xml_cdr_uuid)")
	p.exec(t, "create table old () inherits (v_xml_cdr)")
	p.wantUse(t, "inherited", NoCDRIndex)
}

// The table is the one that the statements of this process mean.
func TestCDRIndexFollowsTheSearchPath(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V55)
	p.exec(t, "create schema other")
	p.exec(t, "create table other.v_xml_cdr (like public.v_xml_cdr)")
	p.exec(t, "create index one on other.v_xml_cdr (start_stamp)")
	p.wantUse(t, "another schema's", NoCDRIndex)
	p.exec(t, "set search_path to other, public")
	p.wantUse(t, "that schema's", CDRIndexByStart)
}
