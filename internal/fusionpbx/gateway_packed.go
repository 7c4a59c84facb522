package fusionpbx

import (
	"encoding/json"
	"slices"
)

// packed are the columns of one row, one value behind the other: ten thousand rows are held at once, twice, and as maps
// they would take ten times as much. It is never changed, so that rows share it.
type packed struct {
	text string
	ends [len(columnNames)]uint32 // where each value ends in text, and the next one begins
	held uint64                   // a bit for each column that the row has,
	null uint64                   // and for each of those that is NULL
}

// columnPlaces are where the columns stand among columnNames.
var columnPlaces = func() map[string]int {
	places := map[string]int{}
	for i, column := range columnNames {
		places[column] = i
	}
	return places
}()

// pack packs the values of columns at these places, which rise; nil is NULL.
func pack(places []int, values [][]byte) *packed {
	p, size := &packed{}, 0
	for _, value := range values {
		size += len(value)
	}
	text, next := make([]byte, 0, size), 0
	for i, place := range places {
		for ; next < place; next++ {
			p.ends[next] = uint32(len(text))
		}
		p.held |= 1 << place
		if values[i] == nil {
			p.null |= 1 << place
		}
		text = append(text, values[i]...)
	}
	for ; next < len(p.ends); next++ {
		p.ends[next] = uint32(len(text))
	}
	p.text = string(text)
	return p
}

// textOf is what came as text; nil is NULL.
func textOf(raw []byte) *string {
	if raw == nil {
		return nil
	}
	text := string(raw)
	return &text
}

// at is the value at a place, nil for one that is NULL or not held.
func (p *packed) at(place int) (value string, is bool) {
	if p == nil || p.held&(1<<place) == 0 || p.null&(1<<place) != 0 {
		return "", false
	}
	begin := uint32(0)
	if place > 0 {
		begin = p.ends[place-1]
	}
	return p.text[begin:p.ends[place]], true
}

// Get returns the column's value, "" for NULL.
func (g Gateway) Get(column string) string {
	value, _ := g.value(column)
	return value
}

// value is the column's value; is: it is not NULL.
func (g Gateway) value(column string) (value string, is bool) {
	place, known := columnPlaces[column]
	if !known {
		return "", false
	}
	return g.packed.at(place)
}

// Has reports whether the row has the column, if only as NULL.
func (g Gateway) Has(column string) bool {
	place, known := columnPlaces[column]
	return known && g.packed != nil && g.packed.held&(1<<place) != 0
}

// Set sets the column; "" is NULL, since FusionPBX never stores an empty text. What is none of GatewayColumns is no
// part of a row.
func (g *Gateway) Set(column, value string) {
	if value == "" {
		g.set(column, nil)
		return
	}
	g.set(column, &value)
}

// SetAll is Set of some columns, which costs as much as of one.
func (g *Gateway) SetAll(values map[string]string) {
	if len(values) == 0 {
		return
	}
	after, text := &packed{}, make([]byte, 0, 512)
	for place, column := range columnNames {
		value, is := g.packed.at(place)
		held := is || g.Has(column)
		if set, named := values[column]; named {
			value, is, held = set, set != "", true
		}
		if held {
			after.held |= 1 << place
		}
		if held && !is {
			after.null |= 1 << place
		}
		text = append(text, value...)
		after.ends[place] = uint32(len(text))
	}
	after.text = string(text)
	g.packed = after
}

func (g *Gateway) set(column string, value *string) {
	place, known := columnPlaces[column]
	if !known {
		return
	}
	var before packed
	if g.packed != nil {
		before = *g.packed
	}
	begin, end := uint32(0), before.ends[place]
	if place > 0 {
		begin = before.ends[place-1]
	}
	after := before
	after.held |= 1 << place
	after.null |= 1 << place
	text := ""
	if value != nil {
		after.null &^= 1 << place
		text = *value
	}
	after.text = before.text[:begin] + text + before.text[end:]
	for i := place; i < len(after.ends); i++ {
		after.ends[i] = before.ends[i] - (end - begin) + uint32(len(text))
	}
	g.packed = &after
}

// gatewayJSON is a Gateway as it is sealed into a job's row, also by earlier versions.
type gatewayJSON struct {
	UUID       string             `json:"uuid"`
	DomainUUID string             `json:"domain_uuid,omitempty"`
	Values     map[string]*string `json:"values"`
	UpdateDate *string            `json:"update_date,omitempty"`
	UpdateUser *string            `json:"update_user,omitempty"`
}

// MarshalJSON gives the columns by name, those that are NULL too.
func (g Gateway) MarshalJSON() ([]byte, error) {
	text := make([]byte, 0, 1024)
	text = appendJSON(append(text, `{"uuid":`...), g.UUID)
	if g.DomainUUID != "" {
		text = appendJSON(append(text, `,"domain_uuid":`...), g.DomainUUID)
	}
	text = append(text, `,"values":{`...)
	first := true
	for _, column := range columnNames {
		if !g.Has(column) {
			continue
		}
		if !first {
			text = append(text, ',')
		}
		first = false
		text = append(appendJSON(text, column), ':')
		if value, is := g.value(column); is {
			text = appendJSON(text, value)
		} else {
			text = append(text, "null"...)
		}
	}
	text = append(text, '}')
	for _, stamp := range []struct {
		name  string
		value *string
	}{{`,"update_date":`, g.UpdateDate}, {`,"update_user":`, g.UpdateUser}} {
		if stamp.value != nil {
			text = appendJSON(append(text, stamp.name...), *stamp.value)
		}
	}
	return append(text, '}'), nil
}

// appendJSON appends a text as JSON. Nearly all are plain.
func appendJSON(to []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(text) // a string never fails
			return append(to, quoted...)
		}
	}
	return append(append(append(to, '"'), text...), '"')
}

// UnmarshalJSON reads what MarshalJSON wrote. A column that this version does not know is left out.
func (g *Gateway) UnmarshalJSON(text []byte) error {
	var read gatewayJSON
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*g = Gateway{UUID: read.UUID, DomainUUID: read.DomainUUID, UpdateDate: read.UpdateDate, UpdateUser: read.UpdateUser}
	var places []int
	var values [][]byte
	for place, column := range columnNames {
		value, held := read.Values[column]
		if !held {
			continue
		}
		places, values = append(places, place), append(values, nil)
		if value != nil {
			values[len(values)-1] = append([]byte{}, *value...)
		}
	}
	g.packed = pack(places, values)
	return nil
}

// holdsAll reports whether the row has all of these columns.
func (g Gateway) holdsAll(columns []string) bool {
	return !slices.ContainsFunc(columns, func(column string) bool { return !g.Has(column) })
}
