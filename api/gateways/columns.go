package gateways

import (
	"strings"

	"trunkline/api/params"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/table"
)

// resultPrefix begins the columns that results have beside those of their file. A file is read with them.
const resultPrefix = "result_"

// keyFields say which gateway a row is about; a file needs one of them.
var keyFields = []string{"gateway_name", "external_id", "gateway_uuid"}

// rowParams are what a row may give beside the fields.
var rowParams = []string{"gateway_uuid", "external_id", "tenant_domain", "domain_uuid", "gateway_name", "gateway_password", providerCIDRs}

// aliases are other names by which files call a parameter.
var aliases = map[string][]string{
	"gateway_name":       {"gateway", "name", "label", "trunk", "trunk_name"},
	"gateway_uuid":       {"uuid"},
	"gateway_domain":     {"host", "server", "address", "sip_server", "carrier"},
	"gateway_username":   {"user", "username", "account", "login"},
	"gateway_password":   {"secret", "password", "pass"},
	"tenant_domain":      {"domain", "domain_name", "tenant"},
	"external_id":        {"external", "reference", "service_id"},
	"profile":            {"sip_profile"},
	"transport":          {"protocol"},
	"expire_seconds":     {"expires", "expire"},
	"retry_seconds":      {"retry"},
	"channels":           {"max_calls", "max_channels"},
	"codec_prefs":        {"codecs"},
	"caller_id_in_from":  {"callerid_in_from"},
	"description":        {"notes", "comment"},
	"register_transport": {},
}

// columnNames are the parameters by what files call them, without what stands between words.
var columnNames = func() map[string]string {
	names := map[string]string{}
	add := func(name, parameter string) { names[bare(name)] = parameter }
	for parameter, others := range aliases {
		for _, other := range others {
			add(other, parameter)
		}
	}
	for _, f := range fields {
		add(f.Name, f.Name)
	}
	for _, parameter := range rowParams {
		add(parameter, parameter)
	}
	return names
}()

func bare(name string) string { return strings.ReplaceAll(table.Tidy(name), "_", "") }

// columnField is the parameter that a column of a file means, "" if there is no such one.
func columnField(name string) string { return columnNames[bare(name)] }

func isResult(tidy string) bool { return strings.HasPrefix(tidy, resultPrefix) }

// isOurs reports whether a column shows that Trunkline wrote the file, and so put guards before formulas.
func isOurs(tidy string) bool { return isResult(tidy) || columnField(tidy) == "gateway_uuid" }

// parameterOf is the parameter by which a file gives a column of v_gateways.
func parameterOf(column string) string {
	switch column {
	case "gateway", "username", "password":
		return "gateway_" + strings.Replace(column, "gateway", "name", 1)
	}
	return column
}

// exportParameters are the columns of an export, as an import reads them.
func exportParameters(secrets bool) (names, columns []string) {
	for _, column := range fusionpbx.GatewayColumns {
		if name := parameterOf(column); secrets || !params.IsSecret(name) {
			names, columns = append(names, name), append(columns, column)
		}
	}
	return names, columns
}
