package console

import (
	"bytes"
	"encoding/json"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/token"
)

// callPage is one CDR.
var callPage = page{
	path: "/calls/:uuid", title: "Call", template: "call", unlisted: true, scope: token.ScopeExport, atOnce: []web.AtOnce{web.AtOnceReads}, show: (*Service).call,
	params: []web.Param{{Name: "tenant_domain"}},
}

// maxColumn bounds how much of a column a page shows, in characters.
const maxColumn = 1000

// callColumn is a column of a CDR.
type callColumn struct {
	Name, Value string
	Empty       bool // it is NULL
}

func (s *Service) call(r *web.Request) (any, error) {
	zone, err := zoneOf(r)
	if err != nil {
		return nil, err
	}
	found, err := s.CDRs.ShowCDR(r.With(params.Values{"tenant_domain": r.Params.Get("tenant_domain"), "time_zone": zone.String()}))
	if err != nil {
		return nil, err
	}
	return columnsOf(found.CDR)
}

// columnsOf are the columns of a CDR in the order in which it has them.
func columnsOf(cdr json.RawMessage) (all []callColumn, err error) {
	d := json.NewDecoder(bytes.NewReader(cdr))
	if _, err := d.Token(); err != nil { // the brace
		return nil, err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		c := callColumn{Name: name.(string), Empty: string(value) == "null"}
		if json.Unmarshal(value, &c.Value) != nil { // it is no text
			c.Value = string(value)
		}
		c.Value = clippedTo(c.Value, maxColumn)
		all = append(all, c)
	}
	return all, nil
}
