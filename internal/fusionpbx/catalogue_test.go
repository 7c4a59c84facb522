package fusionpbx

import (
	"testing"

	"trunkline/internal/pbxtest/sample"
)

// upgrade makes of a 5.4's tables what 5.5 made of them.
var upgrade = []string{
	"alter table v_gateways alter enabled type boolean using enabled::boolean, alter register type boolean using register::boolean",
	"alter table v_domains alter domain_enabled type boolean using domain_enabled::boolean",
	"alter table v_sip_profiles alter sip_profile_enabled type boolean using sip_profile_enabled::boolean",
	"alter table v_extensions rename number_alias to other_alias",
}

// FusionPBX is upgraded while a process runs: what it reads it goes on reading, by the columns that there are.
func TestReadingGoesOnAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V54)
	domain := p.domain(t, "pbx1.example", "true")
	p.insert(t, "v_extensions", row{"extension_uuid": domain, "domain_uuid": domain, "extension": "1001", "number_alias": "2001", "enabled": "true"})
	if e, err := p.Extension(t.Context(), domain, "2001"); err != nil || e.Number != "1001" {
		t.Fatalf("before: got %+v, %v", e, err)
	}
	for _, sql := range upgrade {
		p.exec(t, sql)
	}
	if e, err := p.Extension(t.Context(), domain, "1001"); err != nil || !e.Enabled {
		t.Errorf("an extension: got %+v, %v", e, err)
	}
	if d, err := p.DomainByName(t.Context(), "pbx1.example"); err != nil || !d.Enabled {
		t.Errorf("a domain: got %+v, %v", d, err)
	}
	if kind, _ := p.ColumnType("v_gateways", "register"); kind != "boolean" {
		t.Errorf("v_gateways.register is taken for %s", kind)
	}
	if changed, err := p.Refresh(t.Context()); changed || err != nil {
		t.Errorf("read anew once more: got %t, %v", changed, err)
	}
	p.exec(t, "alter table v_gateways rename to v_gateways_away")
	if _, err := p.Refresh(t.Context()); err == nil {
		t.Error("a table is away, and nobody says so")
	}
	if kind, _ := p.ColumnType("v_gateways", "register"); kind != "boolean" {
		t.Errorf("what was known of a table that is away for a moment is lost: %q", kind)
	}
}
