package gateways

import (
	"maps"
	"slices"
	"strings"

	"trunkline/api/params"
	"trunkline/internal/access"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/tenant"
)

// asStands is what the row gives, without the values that its gateway has already, word for word, and that nobody could
// set: they would be refused, read as another one, or are not the caller's to set. FusionPBX's pages and other
// programs write such; what an export has of them an import leaves as it is.
func (one *row) asStands(g fusionpbx.Gateway, of tenant.Domain, by access.Caller) params.Values {
	given := one.given
	for _, column := range fusionpbx.GatewayColumns {
		name, stands := parameterOf(column), g.Get(column)
		if stands == "" {
			continue
		}
		if value, refused := one.controls[name]; refused && lineFeeds.Replace(value) == lineFeeds.Replace(stands) {
			one.faults = slices.DeleteFunc(one.faults, func(f fault.Detail) bool { return f.Field == name })
		}
		if given.Raw(name) != stands || canSet(name, column, stands, of, by) {
			continue
		}
		if len(given) == len(one.given) {
			given = maps.Clone(given)
		}
		delete(given, name)
	}
	return given
}

// lineFeeds makes each end of a line that which a CSV is read with.
var lineFeeds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// canSet reports whether the caller can give a gateway of that domain just this value by the parameter.
func canSet(name, column, value string, of tenant.Domain, by access.Caller) bool {
	if column == "hostname" {
		return false // whether a switch is called so is not known here
	}
	for _, mode := range []fusionpbx.GatewayMode{fusionpbx.ModeDatabase, fusionpbx.ModeFile} {
		if gateway.CheckValue(mode, column, value) != nil {
			return false
		}
	}
	f, known := fieldNamed[name]
	if !known { // the name or the password
		return name == "gateway_password" || strings.TrimSpace(value) == value
	}
	read := asked{params: gateway.Request{Values: map[string]string{}}, names: map[string]string{}}
	err := read.take(f, params.Values{name: value})
	return err == nil && len(read.params.Values) == 1 && read.params.Values[column] == value && maySet(by, of, column, value) == nil
}

var fieldNamed = func() map[string]*field {
	named := map[string]*field{}
	for i := range fields {
		named[fields[i].Name] = &fields[i]
	}
	return named
}()
